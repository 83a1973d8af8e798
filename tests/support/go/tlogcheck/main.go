// Tlogcheck is the log read and written by another implementation: golang.org/x/mod/sumdb, in another language.
//
//	tlogcheck verify DIR   exits 0 if all that DIR holds is true, 1 and says why otherwise
//	tlogcheck make DIR     fills DIR with a log of its own
//
// DIR holds, as C2SP lays it out:
//
//	keys          verifier keys, one on a line: the log's, then those of witnesses
//	checkpoint    the signed note
//	tile/...      tiles and bundles of entries
//	proofs.json   inclusion and consistency proofs into the tree of the checkpoint
//
// Nothing of it is taken from the Python side but the bytes.
package main

import (
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	height      = 8
	width       = 1 << height
	origin      = "go.example/log"
	witnessName = "go.example/witness"
	madeSize    = 1000
	witnessTime = 1679315147
)

type inclusion struct {
	Index  int64       `json:"index"`
	Hashes []tlog.Hash `json:"hashes"`
}

type consistency struct {
	Size   int64       `json:"size"`
	Root   tlog.Hash   `json:"root"`
	Hashes []tlog.Hash `json:"hashes"`
}

type proofs struct {
	Inclusion   []inclusion   `json:"inclusion"`
	Consistency []consistency `json:"consistency"`
}

func main() {
	work := map[string]func(string) error{"verify": verify, "make": create}
	if len(os.Args) != 3 || work[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: tlogcheck verify|make DIR")
		os.Exit(2)
	}
	if err := work[os.Args[1]](os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "tlogcheck:", err)
		os.Exit(1)
	}
}
