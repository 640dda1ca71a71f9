// tls.go - the server of tls.c with crypto/tls
//
//	tls <port> <chain> <key>
package main

import (
	"bytes"
	"crypto/tls"
	"net"
	"os"
)

const pieceBytes = 256 * 1024

var (
	hello = []byte("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!")
	large = []byte("HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n")
	piece = make([]byte, pieceBytes)
)

func answer(conn net.Conn) {
	defer conn.Close()
	request := make([]byte, 256)
	for {
		got, err := conn.Read(request)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(request[:got], []byte("GET /large")) {
			if _, err = conn.Write(hello); err != nil {
				return
			}
			continue
		}
		conn.Write(large)
		for left := 256 << 20; left > 0; left -= pieceBytes {
			if _, err = conn.Write(piece); err != nil {
				return
			}
		}
	}
}

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
	if err != nil {
		panic(err)
	}
	listener, err := tls.Listen("tcp4", "127.0.0.1:"+os.Args[1],
		&tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		panic(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go answer(conn)
	}
}
