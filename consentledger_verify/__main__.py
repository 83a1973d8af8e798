"""`python -m consentledger_verify`, the same as `consentledger-verify`."""

from consentledger_verify.command import run

if __name__ == "__main__":
    run()
