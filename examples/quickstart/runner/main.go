// SPDX-License-Identifier: Apache-2.0

// Command runner has one job done. See ../README.md.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/powerhose/powerhose/jobrunner"
)

func main() {
	hose, err := jobrunner.Connect(jobrunner.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer hose.Close()
	answer, err := hose.Execute(context.Background(), "shout", "hello from another process")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer)
}
