"""Exports a whole log in a process of its own: ExportLog over gRPC into a file, as the command does, without its bar.

    python -m bench.transcribe '{"address": "127.0.0.1:50051", "out": "log.jsonl", "ciphertexts": false, "last": 0}'

`last` is the last position wanted; 0 means all. The floor beside it is the same rows read by a plain driver: `drain`.
"""

import asyncio
import json
import sys
import time
from typing import Any

from consentledger.cli.exportform import ExportWriter
from consentledger.rpc import channel
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import audit_service_pb2_grpc


async def export(job: dict[str, Any]) -> int:
    """Do the job; the number of events."""
    connection, writer = channel.connect(job["address"]), None
    request = au.ExportLogRequest(ciphertexts=job["ciphertexts"], to_position=job["last"])
    try:
        with open(job["out"], "wb") as file:  # noqa: ASYNC230
            stub: Any = audit_service_pb2_grpc.AuditServiceStub(connection)
            async for chunk in stub.ExportLog(request):
                if writer is None:
                    writer = ExportWriter(file, chunk.header, ciphertexts=job["ciphertexts"])
                else:
                    writer.entries(chunk.entries)
            if writer is None or not writer.finish():
                raise SystemExit("the export is not whole")
    finally:
        await connection.close()
    return writer.position


def main(argument: str) -> None:
    """Print how many events there were and how long it took."""
    job = json.loads(argument)
    began, cpu = time.perf_counter(), time.process_time()
    count = asyncio.run(export(job))
    took = time.perf_counter() - began
    cpu = time.process_time() - cpu
    print(json.dumps({"events": count, "per_second": count / took, "cpu_us": 1e6 * cpu / count}))


if __name__ == "__main__":
    main(sys.argv[1])
