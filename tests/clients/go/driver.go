// Drives the Go client for the tests. ../README.md has the line protocol.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"sync"
	"time"

	"github.com/zishang520/socket.io/clients/engine/v3/transports"
	"github.com/zishang520/socket.io/clients/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

type command struct {
	Do, Client, URL, Method string
	Call                    int
	Args                    []any
	Options                 struct {
		Auth              map[string]any
		Transports        []string
		ReconnectionDelay float64
		ForceBase64       bool
	}
}

type message = map[string]any

var (
	stdout  = json.NewEncoder(os.Stdout)
	mutex   sync.Mutex
	sockets = map[string]*socket.Socket{}
	known   = map[string]transports.TransportCtor{"websocket": transports.WebSocket, "polling": transports.Polling}
)

func tell(client, is string, fields message) {
	line := message{"client": client, "is": is}
	for key, value := range fields {
		line[key] = value
	}
	mutex.Lock()
	defer mutex.Unlock()
	if err := stdout.Encode(line); err != nil {
		panic(err)
	}
}

// {"$bytes": base64} means binary.
func revive(value any) any {
	switch value := value.(type) {
	case []any:
		for index, item := range value {
			value[index] = revive(item)
		}
	case map[string]any:
		if encoded, ok := value["$bytes"].(string); ok {
			data, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				panic(err)
			}
			return data
		}
		for key, item := range value {
			value[key] = revive(item)
		}
	}
	return value
}

func connect(command command) {
	options := socket.DefaultOptions()
	options.SetForceNew(true)
	options.SetAutoConnect(false)
	options.SetTimeout(20 * time.Second)
	options.SetForceBase64(command.Options.ForceBase64)
	if command.Options.Auth != nil {
		options.SetAuth(command.Options.Auth)
	}
	if delay := command.Options.ReconnectionDelay; delay > 0 {
		options.SetReconnectionDelay(delay)
		options.SetReconnectionDelayMax(delay)
	}
	chosen := types.NewSet[transports.TransportCtor]()
	for _, name := range command.Options.Transports {
		chosen.Add(known[name])
	}
	options.SetTransports(chosen)
	client := command.Client
	io, err := socket.Connect(command.URL, options)
	if err != nil {
		panic(err)
	}
	sockets[client] = io
	io.On("connect", func(...any) {
		tell(client, "connect", message{"sid": io.Id(), "recovered": io.Recovered()})
	})
	io.On("connect_error", func(args ...any) {
		fields := message{"message": args[0].(error).Error()}
		if extended, ok := args[0].(*types.ExtendedError); ok {
			fields["data"] = extended.Data
		}
		tell(client, "connect_error", fields)
	})
	io.On("disconnect", func(args ...any) { tell(client, "disconnect", message{"reason": args[0]}) })
	io.Io().On("reconnect_attempt", func(...any) { tell(client, "reconnect_attempt", nil) })
	io.OnAny(func(args ...any) { tell(client, "push", message{"event": args[0], "push": args[1]}) })
	io.Connect()
}

func call(command command) {
	args := append(revive(command.Args).([]any), func(answer []any, err error) {
		if err == nil { // otherwise the connection is lost and no test waits
			tell(command.Client, "answer", message{"call": command.Call, "answer": answer[0]})
		}
	})
	if err := sockets[command.Client].Emit(command.Method, args...); err != nil {
		panic(err)
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var command command
		if err := json.Unmarshal(lines.Bytes(), &command); err != nil {
			panic(err)
		}
		switch command.Do {
		case "connect":
			connect(command)
		case "call":
			call(command)
		case "close":
			sockets[command.Client].Disconnect()
		}
	}
}
