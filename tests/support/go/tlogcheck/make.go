package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// create makes a log of madeSize records, signs it as log and as witness, and proves every record and every prefix.
func create(dir string) error {
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, index := range indexes {
			found = append(found, stored[index])
		}
		return found, nil
	})
	var bundle bytes.Buffer
	for n := int64(0); n < madeSize; n++ {
		record := []byte(fmt.Sprintf("record %d of the log that Go made", n))
		hashes, err := tlog.StoredHashes(n, record, read)
		if err != nil {
			return err
		}
		stored = append(stored, hashes...)
		binary.Write(&bundle, binary.BigEndian, uint16(len(record)))
		bundle.Write(record)
		if last := n + 1; last%width == 0 || last == madeSize {
			tile := tlog.Tile{H: height, L: 0, N: n / width, W: int(n%width) + 1}
			if err := write(dir, place(tile, "entries"), bundle.Bytes()); err != nil {
				return err
			}
			bundle.Reset()
		}
	}
	for _, tile := range tlog.NewTiles(height, 0, madeSize) {
		data, err := tlog.ReadTileData(tile, read)
		if err != nil {
			return err
		}
		if err := write(dir, place(tile, strconv.Itoa(tile.L)), data); err != nil {
			return err
		}
	}
	root, err := tlog.TreeHash(madeSize, read)
	if err != nil {
		return err
	}
	if err := sign(dir, fmt.Sprintf("%s\n%d\n%s\n", origin, madeSize, root)); err != nil {
		return err
	}
	return prove(dir, read)
}

func prove(dir string, read tlog.HashReader) error {
	var all proofs
	for n := int64(0); n < madeSize; n++ {
		included, err := tlog.ProveRecord(madeSize, n, read)
		if err != nil {
			return err
		}
		extended, err := tlog.ProveTree(madeSize, n+1, read)
		if err != nil {
			return err
		}
		old, err := tlog.TreeHash(n+1, read)
		if err != nil {
			return err
		}
		all.Inclusion = append(all.Inclusion, inclusion{n, included})
		all.Consistency = append(all.Consistency, consistency{n + 1, old, extended})
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return write(dir, "proofs.json", data)
}

func sign(dir, text string) error {
	seed := sha256.Sum256([]byte("the key of a test"))
	skey, vkey, err := note.GenerateKey(bytes.NewReader(append(seed[:], seed[:]...)), origin)
	if err != nil {
		return err
	}
	log, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	cosigner := newWitness(witnessName, ed25519.NewKeyFromSeed(seed[:]))
	signed, err := note.Sign(&note.Note{Text: text}, log, cosigner)
	if err != nil {
		return err
	}
	if err := write(dir, "keys", []byte(vkey+"\n"+cosigner.vkey+"\n")); err != nil {
		return err
	}
	return write(dir, "checkpoint", signed)
}

func write(dir, path string, data []byte) error {
	path = filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o666)
}
