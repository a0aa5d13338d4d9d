// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
)

// The form is so narrow that it needs no JSON library, and so means the same to
// every program: one object, its values texts without escapes.
var (
	dsaFile   = regexp.MustCompile(`^[ \t\r\n]*\{((?:[ \t\r\n]*"[a-z]*"[ \t\r\n]*:[ \t\r\n]*"[0-9A-Za-z]*"[ \t\r\n]*,)*(?:[ \t\r\n]*"[a-z]*"[ \t\r\n]*:[ \t\r\n]*"[0-9A-Za-z]*"[ \t\r\n]*))\}[ \t\r\n]*$`)
	dsaMember = regexp.MustCompile(`"([a-z]*)"[ \t\r\n]*:[ \t\r\n]*"([0-9A-Za-z]*)"`)
	dsaDigits = regexp.MustCompile(`^[0-9a-fA-F]+$`)
)

// parseDSA reads BrowserID's JSON form of a DSA key.
func parseDSA(content []byte) (*namedKey, error) {
	members, err := dsaMembers(content)
	if err != nil {
		return nil, err
	}
	numbers := map[string]*big.Int{}
	for name, digits := range members {
		if len(digits) > 2*MaxNumber || !dsaDigits.MatchString(digits) {
			return nil, fmt.Errorf("%s is not a number of 1 to %d hexadecimal digits", name, 2*MaxNumber)
		}
		numbers[name], _ = new(big.Int).SetString(digits, 16)
	}
	for _, name := range []string{"p", "q", "g", "y"} {
		if numbers[name] == nil {
			return nil, fmt.Errorf("there is no %s", name)
		}
	}
	for _, group := range []*dsaGroup{ds128, ds256} {
		if numbers["p"].Cmp(group.P) == 0 && numbers["q"].Cmp(group.Q) == 0 && numbers["g"].Cmp(group.G) == 0 {
			return newNamedDSA(group, numbers["x"], numbers["y"])
		}
	}
	return nil, errors.New("p, q and g are not a group of BrowserID")
}

// dsaMembers returns the members of the object, without the algorithm.
func dsaMembers(content []byte) (map[string]string, error) {
	object := dsaFile.FindSubmatch(content)
	if object == nil {
		return nil, errors.New("not one JSON object whose values are all texts without escapes")
	}
	members := map[string]string{}
	for _, m := range dsaMember.FindAllSubmatch(object[1], -1) {
		name := string(m[1])
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("%s is there twice", name)
		}
		switch name {
		case "algorithm", "p", "q", "g", "y", "x":
			members[name] = string(m[2])
		default:
			return nil, fmt.Errorf("there is a member %.20q, allowed are algorithm, p, q, g, y and x", name)
		}
	}
	if members["algorithm"] != "DS" {
		return nil, errors.New("algorithm is not DS")
	}
	delete(members, "algorithm")
	return members, nil
}

func newNamedDSA(group *dsaGroup, x, y *big.Int) (*namedKey, error) {
	k := &namedKey{typ: typeDSA, algorithm: group.algorithm}
	var err error
	if k.public, err = group.public(y); err != nil || x == nil {
		return k, err
	}
	if k.private, err = group.private(x); err != nil {
		return k, err
	}
	if new(big.Int).Exp(group.G, x, group.P).Cmp(y) != 0 {
		return k, errors.New("y does not belong to x")
	}
	return k, nil
}
