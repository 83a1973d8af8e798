package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// algCosignature is the kind of signature that C2SP tlog-cosignature describes for Ed25519; sumdb/note does not know it.
const algCosignature = 4

// witness signs and verifies cosignatures. It is both a note.Signer and a note.Verifier.
type witness struct {
	name    string
	hash    uint32
	vkey    string
	public  ed25519.PublicKey
	private ed25519.PrivateKey
}

func newWitness(name string, private ed25519.PrivateKey) *witness {
	public := private.Public().(ed25519.PublicKey)
	w := witnessOf(name, public)
	w.private = private
	return w
}

func witnessOf(name string, public ed25519.PublicKey) *witness {
	material := append([]byte{algCosignature}, public...)
	sum := sha256.Sum256(append([]byte(name+"\n"), material...))
	hash := binary.BigEndian.Uint32(sum[:])
	vkey := fmt.Sprintf("%s+%08x+%s", name, hash, base64.StdEncoding.EncodeToString(material))
	return &witness{name: name, hash: hash, vkey: vkey, public: public}
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }

func (w *witness) Sign(text []byte) ([]byte, error) {
	stamp := binary.BigEndian.AppendUint64(nil, witnessTime)
	return append(stamp, ed25519.Sign(w.private, cosigned(witnessTime, text))...), nil
}

func (w *witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	return ed25519.Verify(w.public, cosigned(binary.BigEndian.Uint64(signature), text), signature[8:])
}

func cosigned(time uint64, text []byte) []byte {
	return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), text...)
}

// newVerifier reads a verifier key, of a log or of a witness.
func newVerifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	material, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(material) != 1+ed25519.PublicKeySize || material[0] != algCosignature {
		return note.NewVerifier(vkey)
	}
	w := witnessOf(parts[0], material[1:])
	if w.vkey != vkey {
		return nil, fmt.Errorf("another id")
	}
	return w, nil
}
