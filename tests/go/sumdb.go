// Answers, by golang.org/x/mod/sumdb, to what test_go.py asks: one JSON object in, one out.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run sumdb.go    (Debian: golang-go golang-golang-x-mod-dev)
package main

import (
	"encoding/json"
	"log"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Notes  []struct{ Note, Key string } // is the note signed by the verifier key?
	Texts  []struct{ Text, Key string } // the text, signed by the signer key
	Lines  []string                     // records of a log: its roots and all inclusion proofs
	Proofs []struct {                   // does the line stand at the index of the tree?
		Line        string
		Index, Size int64
		Root        tlog.Hash
		Path        []tlog.Hash
	}
}

type answer struct {
	Notes  []bool
	Texts  []string
	Roots  []tlog.Hash
	Paths  [][][]tlog.Hash // by size - 1, then by index
	Proofs []bool
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	var asked question
	var out answer
	must(json.NewDecoder(os.Stdin).Decode(&asked))

	for _, one := range asked.Notes {
		verifier, err := note.NewVerifier(one.Key)
		must(err)
		_, err = note.Open([]byte(one.Note), note.VerifierList(verifier))
		out.Notes = append(out.Notes, err == nil)
	}
	for _, one := range asked.Texts {
		signer, err := note.NewSigner(one.Key)
		must(err)
		signed, err := note.Sign(&note.Note{Text: one.Text}, signer)
		must(err)
		out.Texts = append(out.Texts, string(signed))
	}

	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, index := range indexes {
			found = append(found, stored[index])
		}
		return found, nil
	})
	for number, line := range asked.Lines {
		hashes, err := tlog.StoredHashes(int64(number), []byte(line), reader)
		must(err)
		stored = append(stored, hashes...)
		size := int64(number + 1)
		root, err := tlog.TreeHash(size, reader)
		must(err)
		out.Roots = append(out.Roots, root)
		paths := [][]tlog.Hash{}
		for index := int64(0); index < size; index++ {
			path, err := tlog.ProveRecord(size, index, reader)
			must(err)
			paths = append(paths, append([]tlog.Hash{}, path...))
		}
		out.Paths = append(out.Paths, paths)
	}
	for _, one := range asked.Proofs {
		err := tlog.CheckRecord(one.Path, one.Size, one.Root, one.Index, tlog.RecordHash([]byte(one.Line)))
		out.Proofs = append(out.Proofs, err == nil)
	}
	must(json.NewEncoder(os.Stdout).Encode(out))
}
