// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/protocol"
)

func readSpecification(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/protocol.md")
	require.NoError(t, err)
	return string(text)
}

func TestSpecificationNumbersItsRules(t *testing.T) {
	t.Parallel()
	text := readSpecification(t)
	defined := map[string]bool{}
	for _, m := range regexp.MustCompile(`\*\*(R-\d+)\*\*`).FindAllStringSubmatch(text, -1) {
		require.False(t, defined[m[1]], "%s is there twice", m[1])
		defined[m[1]] = true
	}
	for i := range defined { // a rule keeps its number, and a new one gets the next, wherever it stands
		n, err := strconv.Atoi(strings.TrimPrefix(i, "R-"))
		require.NoError(t, err)
		require.LessOrEqual(t, n, len(defined), "a number was left out before %s", i)
	}
	for _, m := range regexp.MustCompile(`R-\d+`).FindAllString(text, -1) {
		require.True(t, defined[m], "the text cites %s", m)
	}
	for _, v := range loadVectors(t) {
		require.True(t, defined[v.rule], "%s cites %s", v.name, v.rule)
	}
}

// dump matches a line of the worked example: offset, octets, meaning.
var dump = regexp.MustCompile(`^([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+)(?: |$)`)

func TestSpecificationDumpsAreTheVectors(t *testing.T) {
	t.Parallel()
	vectors := map[string]vector{}
	for _, v := range loadVectors(t) {
		vectors[v.name] = v
	}
	_, example, ok := strings.Cut(readSpecification(t), "\n## 21. Worked example\n")
	require.True(t, ok)
	shown := map[string]bool{}
	blocks := regexp.MustCompile("(?s)\n`([a-z-]+)`[^\n]*\n\n```text\n(.*?)```").FindAllStringSubmatch(example, -1)
	for _, m := range blocks {
		name, lines := m[1], m[2]
		v, ok := vectors[name]
		require.True(t, ok, "no vector is called %s", name)
		frames := [][]byte{{}}
		for line := range strings.Lines(lines) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "payload frame") {
				frames = append(frames, []byte{})
				continue
			}
			d := dump.FindStringSubmatch(line)
			require.NotNil(t, d, "%s: %q", name, line)
			last := &frames[len(frames)-1]
			require.Equal(t, fmt.Sprintf("%04x", len(*last)), d[1], "%s: offset of %q", name, line)
			octets, err := hex.DecodeString(strings.ReplaceAll(d[2], " ", ""))
			require.NoError(t, err)
			*last = append(*last, octets...)
		}
		require.Equal(t, v.frames, frames, name)
		shown[v.role.String()+" "+v.message] = true
	}
	for _, key := range everyMessage() {
		words := strings.Fields(key)
		require.True(t, shown[words[0]+" "+words[2]], "no worked example of %s", key)
	}
}

func tableRows(text, heading string) [][]string {
	_, text, _ = strings.Cut(text, "\n"+heading)
	var rows [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, cells)
	}
	return rows[min(2, len(rows)):]
}

func TestSpecificationTablesAreTheCode(t *testing.T) {
	t.Parallel()
	text := readSpecification(t)

	rows := tableRows(text, "### 6.3 Commands")
	require.Len(t, rows, 14)
	for i, row := range rows {
		c := protocol.Command(i + 1)
		require.Equal(t, []string{fmt.Sprintf("%02x", i+1), c.String()}, row[:2])
		for j, cell := range row[2:] {
			role := []protocol.Role{protocol.RoleWorker, protocol.RoleRunner}[j/2]
			d := []protocol.Direction{protocol.ToMaster, protocol.FromMaster}[j%2]
			frames, _ := strconv.Atoi(cell)
			require.Equal(t, frames, protocol.Header{Version: 1, Role: role, Command: c}.Frames(d), "%v, column %d", c, j)
		}
	}

	rows = tableRows(text, "### 7.3 ERROR")
	require.Len(t, rows, int(protocol.CodeWrongRole))
	for i, row := range rows {
		require.Equal(t, []string{strconv.Itoa(i + 1), protocol.ErrorCode(i + 1).String()}, row[:2])
	}

	rows = tableRows(text, "### 9.2 RESULT")
	require.Len(t, rows, int(protocol.OutcomeClosed)+1)
	for i, row := range rows {
		require.Equal(t, []string{strconv.Itoa(i), protocol.Outcome(i).String()}, row[:2])
	}

	limits := map[string]int{
		"MaxServiceName": protocol.MaxServiceName, "MaxServices": protocol.MaxServices,
		"MaxCapacity": protocol.MaxCapacity, "MaxPrefetch": protocol.MaxPrefetch, "MaxBatch": protocol.MaxBatch,
		"MaxHeaders": protocol.MaxHeaders, "MaxHeaderName": protocol.MaxHeaderName,
		"MaxIdentity": protocol.MaxIdentity, "MaxHost": protocol.MaxHost, "MaxEndpoint": protocol.MaxEndpoint,
		"MaxLedger": protocol.MaxLedger, "MaxLabel": protocol.MaxLabel, "MaxErrorText": protocol.MaxErrorText,
		"MaxPropertyName": protocol.MaxPropertyName, "MaxProperties": protocol.MaxProperties,
		"MaxPID": protocol.MaxPID, "MinMessage": protocol.MinMessage, "MaxMessage": protocol.MaxMessage,
	}
	rows = tableRows(text, "## 17. Limits")
	require.Len(t, rows, len(limits))
	for _, row := range rows {
		n, err := strconv.Atoi(strings.Fields(row[1])[0])
		require.NoError(t, err)
		require.Equal(t, limits[strings.Trim(row[2], "`")], n, row[0])
	}
}
