// handover.go - the figures of handover.c with goroutines: those that shall be on threads of their
// own are locked to them
//
//	handover [divisor]
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

var divisor = 1

func tell(name string, begun time.Time, count int, unit string) {
	each := float64(time.Since(begun).Nanoseconds()) / float64(count)
	if unit == "us" {
		each /= 1e3
	}
	fmt.Printf("%s %.6g %s\n", name, each, unit)
}

type job struct{ done chan struct{} }

// offload is to workers on threads of their own, as a pool for blocking calls has.
func offload(name string, atOnce, count int) {
	jobs := make(chan job, 1024)
	for i := 0; i < 4; i++ {
		go func() {
			runtime.LockOSThread()
			for job := range jobs {
				job.done <- struct{}{}
			}
		}()
	}
	each := count/divisor/atOnce + 1
	over := make(chan struct{})
	begun := time.Now()
	for i := 0; i < atOnce; i++ {
		go func() {
			mine := job{make(chan struct{}, 1)}
			for n := 0; n < each; n++ {
				jobs <- mine
				<-mine.done
			}
			over <- struct{}{}
		}()
	}
	for i := 0; i < atOnce; i++ {
		<-over
	}
	tell(name, begun, each*atOnce, "us")
	close(jobs)
}

func main() {
	if len(os.Args) > 1 {
		divisor, _ = strconv.Atoi(os.Args[1])
	}
	offload("offload_1", 1, 50000)
	offload("offload_64", 64, 500000)

	there, back := make(chan int), make(chan int)
	go func() {
		runtime.LockOSThread()
		for item := range there {
			back <- item
		}
	}()
	runtime.LockOSThread()
	count := 100000/divisor + 1
	begun := time.Now()
	for i := 0; i < count; i++ {
		there <- i
		<-back
	}
	tell("crossing", begun, count*2, "us")
	close(there)

	many := make(chan int, 1024)
	count = 1000000/divisor + 1
	begun = time.Now()
	go func() {
		for i := 0; i < count; i++ {
			many <- i
		}
		close(many)
	}()
	for range many {
	}
	tell("flood", begun, count, "ns")
}
