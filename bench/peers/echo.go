// echo.go - the server of echo.c with goroutines
//
//	echo <port>
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

func echo(conn net.Conn) {
	defer conn.Close()
	piece := make([]byte, 1024)
	for {
		got, err := conn.Read(piece)
		if err != nil {
			return
		}
		if _, err = conn.Write(piece[:got]); err != nil {
			return
		}
	}
}

func sink(conn net.Conn) {
	defer conn.Close()
	piece := make([]byte, 65536)
	for {
		if _, err := conn.Read(piece); err == io.EOF {
			conn.Write([]byte("."))
			return
		} else if err != nil {
			return
		}
	}
}

func serve(port int, handle func(net.Conn)) {
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		panic(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go handle(conn)
	}
}

func main() {
	port, _ := strconv.Atoi(os.Args[1])
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		panic(err)
	}
	go func() {
		data := make([]byte, 2048)
		for {
			got, from, err := udp.ReadFromUDPAddrPort(data)
			if err != nil {
				panic(err)
			}
			udp.WriteToUDPAddrPort(data[:got], from)
		}
	}()
	go serve(port+1, sink)
	serve(port, echo)
}
