// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"log/slog"

	"github.com/spf13/pflag"
)

// Log is how a program logs.
type Log struct {
	Format string
	Level  string
}

// Flags adds --log-format and --log-level.
func (l *Log) Flags(fs *pflag.FlagSet, level string) {
	OneOf(fs, &l.Format, "log-format", "how to log to standard error", "text", "text", "json")
	OneOf(fs, &l.Level, "log-level", "the least that is logged", level, "debug", "info", "warn", "error")
}

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// Logger returns a logger that writes to w.
func (l *Log) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: levels[l.Level]}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
