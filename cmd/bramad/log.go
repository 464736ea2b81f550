package main

import (
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/brama-gateway/brama/gateway/config"
)

// newLog writes one line an event to w: JSON for journald and collectors, or for
// people at a terminal.
func newLog(cfg *config.Config, level zap.AtomicLevel, w io.Writer) *zap.Logger {
	setLevel(level, cfg.Log.Level)
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	encoder := zapcore.NewJSONEncoder(enc)
	if cfg.Log.Format == "console" {
		encoder = zapcore.NewConsoleEncoder(enc)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level))
}

// setLevel takes a level that the configuration has checked.
func setLevel(level zap.AtomicLevel, name string) {
	if l, err := zapcore.ParseLevel(name); err == nil {
		level.SetLevel(l)
	}
}
