package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// verify checks signatures, then tiles against the signed root, then entries and proofs against the tiles.
func verify(dir string) error {
	tree, err := openCheckpoint(dir)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, tiles(dir))
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return fmt.Errorf("tiles: %w", err)
	}
	if root != tree.Hash {
		return errors.New("the tiles have another root")
	}
	indexes := make([]int64, tree.N)
	for n := range indexes {
		indexes[n] = tlog.StoredHashIndex(0, int64(n))
	}
	leaves, err := reader.ReadHashes(indexes)
	if err != nil {
		return fmt.Errorf("tiles: %w", err)
	}
	if err := verifyEntries(dir, leaves); err != nil {
		return err
	}
	return verifyProofs(dir, tree, leaves)
}

func openCheckpoint(dir string) (tlog.Tree, error) {
	vkeys, err := os.ReadFile(filepath.Join(dir, "keys"))
	if err != nil {
		return tlog.Tree{}, err
	}
	var known []note.Verifier
	for _, vkey := range strings.Fields(string(vkeys)) {
		verifier, err := newVerifier(vkey)
		if err != nil {
			return tlog.Tree{}, fmt.Errorf("key %s: %w", vkey, err)
		}
		known = append(known, verifier)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	if len(opened.Sigs) != len(known) {
		return tlog.Tree{}, fmt.Errorf("%d of %d keys have signed", len(opened.Sigs), len(known))
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != known[0].Name() {
		return tlog.Tree{}, errors.New("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func verifyEntries(dir string, leaves []tlog.Hash) error {
	for first := 0; first < len(leaves); first += width {
		count := width
		if first+count > len(leaves) {
			count = len(leaves) - first
		}
		path := place(tlog.Tile{H: height, L: 0, N: int64(first / width), W: count}, "entries")
		data, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		for i := 0; i < count; i++ {
			if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
				return fmt.Errorf("%s is cut off", path)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			if tlog.RecordHash(data[2:end]) != leaves[first+i] {
				return fmt.Errorf("%s: entry %d has another hash", path, i)
			}
			data = data[end:]
		}
		if len(data) > 0 {
			return fmt.Errorf("%s is too long", path)
		}
	}
	return nil
}

func verifyProofs(dir string, tree tlog.Tree, leaves []tlog.Hash) error {
	data, err := os.ReadFile(filepath.Join(dir, "proofs.json"))
	if err != nil {
		return err
	}
	var all proofs
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for _, one := range all.Inclusion {
		if err := tlog.CheckRecord(one.Hashes, tree.N, tree.Hash, one.Index, leaves[one.Index]); err != nil {
			return fmt.Errorf("inclusion of %d: %w", one.Index, err)
		}
	}
	for _, one := range all.Consistency {
		if err := tlog.CheckTree(one.Hashes, tree.N, tree.Hash, one.Size, one.Root); err != nil {
			return fmt.Errorf("consistency with %d: %w", one.Size, err)
		}
	}
	fmt.Printf("%d leaves, %d inclusion proofs, %d consistency proofs\n",
		len(leaves), len(all.Inclusion), len(all.Consistency))
	return nil
}

// tiles reads tiles from files of the C2SP layout.
type tiles string

func (tiles) Height() int                     { return height }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (dir tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(filepath.Join(string(dir), place(tile, strconv.Itoa(tile.L))))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

// place is the C2SP path of a tile: that of sumdb, without its height.
func place(tile tlog.Tile, level string) string {
	parts := strings.SplitN(tile.Path(), "/", 4)
	return "tile/" + level + "/" + parts[3]
}
