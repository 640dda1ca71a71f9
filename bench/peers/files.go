// files.go - the figures of files.c with goroutines
//
//	files <folder> <count> <MiB>
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	tasks      = 32
	pieceBytes = 256 * 1024
)

func cpu() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func check(data []byte) {
	if len(data) < 4096 || data[0] != 'w' || data[len(data)-1] != 'w' {
		panic("a file does not have what was written")
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func runTasks(fn func()) {
	var group sync.WaitGroup
	for i := 0; i < tasks; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			fn()
		}()
	}
	group.Wait()
}

func readOne(path string, data []byte) {
	file, err := os.Open(path)
	must(err)
	defer file.Close()
	info, err := file.Stat()
	must(err)
	got, err := file.ReadAt(data[:info.Size()], 0)
	must(err)
	check(data[:got])
}

func main() {
	folder := os.Args[1]
	count, _ := strconv.ParseInt(os.Args[2], 10, 64)
	mebibytes, _ := strconv.ParseInt(os.Args[3], 10, 64)
	large := mebibytes << 20

	small := func(name string, read func(path string, data []byte)) {
		var next int64
		begun, used := time.Now(), cpu()
		runTasks(func() {
			data := make([]byte, 4097)
			for {
				number := atomic.AddInt64(&next, 1) - 1
				if number >= count {
					return
				}
				read(filepath.Join(folder, strconv.FormatInt(number, 10)), data)
			}
		})
		fmt.Printf("%s %.6g us\n", name, float64(time.Since(begun).Nanoseconds())/1e3/float64(count))
		fmt.Printf("%s_cpu %.6g us\n", name, float64(cpu()-used)/1e3/float64(count))
	}
	small("files", readOne)
	small("files_whole", func(path string, _ []byte) {
		data, err := os.ReadFile(path)
		must(err)
		check(data)
	})

	file, err := os.Open(filepath.Join(folder, "large"))
	must(err)
	var offset int64
	begun, used := time.Now(), cpu()
	runTasks(func() {
		piece := make([]byte, pieceBytes)
		for {
			at := atomic.AddInt64(&offset, pieceBytes) - pieceBytes
			if at >= large {
				return
			}
			got, err := file.ReadAt(piece, at)
			must(err)
			check(piece[:got])
		}
	})
	took := float64(time.Since(begun).Nanoseconds())
	fmt.Printf("large %.6g GBps\n", float64(large)/took)
	fmt.Printf("large_cpu %.6g ms_per_GiB\n", float64(cpu()-used)/1e6/(float64(large)/(1<<30)))
}
