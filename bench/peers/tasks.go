// tasks.go - the figures of tasks.c, groups.c and sleepers.c with goroutines
//
//	tasks micro [divisor] | skynet [divisor] | sleepers <count> <milliseconds>
//	tasks pipeline [items [stages]] | children [count] | cancel [leaves] | sockets [count] |
//	      deadlines [count]
package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func figure(name string, value float64, unit string) {
	fmt.Printf("%s %.6g %s\n", name, value, unit)
}

// cpu is the CPU time of the process in nanoseconds: what never waits is measured by it.
func cpu() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func each(start int64, count int) float64 {
	return float64(cpu()-start) / float64(count)
}

func number(index, fallback int) int {
	if len(os.Args) > index {
		if value, err := strconv.Atoi(os.Args[index]); err == nil && value > 0 {
			return value
		}
	}
	return fallback
}

// status reads one line of /proc/self/status, in bytes.
func status(key string) int {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == key {
			kib, _ := strconv.Atoi(fields[1])
			return kib * 1024
		}
	}
	return 0
}

func memory() int { return status("VmRSS:") + status("VmPTE:") }

func yield(tasks, total int) float64 {
	count := total/tasks + 1
	var group sync.WaitGroup
	start := cpu()
	for i := 0; i < tasks; i++ {
		group.Add(1)
		go func() {
			for k := 0; k < count; k++ {
				runtime.Gosched()
			}
			group.Done()
		}()
	}
	group.Wait()
	return each(start, count*tasks)
}

func channel(capacity, count int) float64 {
	there, back := make(chan *int, capacity), make(chan *int, capacity)
	go func() {
		for item := range there {
			back <- item
		}
	}()
	item := new(int)
	start := cpu()
	for i := 0; i < count; i++ {
		there <- item
		<-back
	}
	took := each(start, count*2)
	close(there)
	return took
}

func nothing(group *sync.WaitGroup) { group.Done() }

func spawn(atOnce, total int) float64 {
	rounds := total/atOnce + 1
	start := cpu()
	for round := 0; round < rounds; round++ {
		var group sync.WaitGroup
		group.Add(atOnce)
		for i := 0; i < atOnce; i++ {
			go nothing(&group)
		}
		group.Wait()
	}
	return each(start, rounds*atOnce)
}

func timeout(count int) float64 {
	start := cpu()
	for i := 0; i < count; i++ {
		_, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		cancel()
	}
	return each(start, count)
}

func micro() {
	divisor := number(2, 1)
	yield(100, 100000/divisor+1)
	spawn(100, 100000/divisor+1)
	figure("yield_2", yield(2, 4000000/divisor), "ns")
	figure("yield_100", yield(100, 4000000/divisor), "ns")
	figure("handoff", channel(0, 1000000/divisor+1), "ns")
	figure("channel", channel(1, 1000000/divisor+1), "ns")
	figure("spawn_join", spawn(1, 1000000/divisor), "ns")
	figure("spawn_join_100", spawn(100, 2000000/divisor), "ns")
	figure("timeout", timeout(1000000/divisor+1), "ns")
}

type node struct{ number, size, sum int }

func grow(me *node, done *sync.WaitGroup) {
	if done != nil {
		defer done.Done()
	}
	if me.size == 1 {
		me.sum = me.number
		return
	}
	var children [10]node
	var group sync.WaitGroup
	group.Add(10)
	for i := range children {
		children[i] = node{number: me.number + i*(me.size/10), size: me.size / 10}
		go grow(&children[i], &group)
	}
	group.Wait()
	for i := range children {
		me.sum += children[i].sum
	}
}

func skynet() {
	leaves, most := 1, 1000000/number(2, 1)
	for leaves*10 <= most {
		leaves *= 10
	}
	var took []float64
	for round := 0; round < 5; round++ {
		root := node{size: leaves}
		start := cpu()
		grow(&root, nil)
		took = append(took, each(start, 1)/1e6)
		if root.sum != leaves*(leaves-1)/2 {
			panic("wrong sum")
		}
	}
	sort.Float64s(took)
	figure("skynet", took[2], "ms")
	figure("skynet_peak", float64(status("VmHWM:"))/1e6, "MB")
}

func sleepers() {
	count, sleep := number(2, 1000), time.Duration(number(3, 1000))*time.Millisecond
	late := make([]uint32, count)
	for i := range late {
		late[i] = 1
	}
	var begun int64
	var group sync.WaitGroup
	asleep := make(chan bool)
	base := memory()
	start := time.Now()
	group.Add(count)
	for i := 0; i < count; i++ {
		go func(late *uint32) {
			due := time.Now().Add(sleep)
			if atomic.AddInt64(&begun, 1) == int64(count) {
				close(asleep)
			}
			time.Sleep(sleep)
			*late = uint32(time.Since(due).Microseconds())
			group.Done()
		}(&late[i])
	}
	<-asleep
	created := time.Since(start)
	bytes := memory() - base
	group.Wait()
	sort.Slice(late, func(a, b int) bool { return late[a] < late[b] })
	figure("create", float64(created.Nanoseconds())/1e6, "ms")
	figure("memory", float64(bytes)/float64(count), "B")
	figure("overshoot_p50", float64(late[count/2])/1e3, "ms")
	figure("overshoot_max", float64(late[count-1])/1e3, "ms")
	figure("cpu", float64(cpu())/1e3/float64(count), "us")
}

func pipeline() {
	items, stages := number(2, 2000), number(3, 1000)
	first := make(chan *int, 1)
	in := first
	for i := 0; i < stages; i++ {
		out := make(chan *int, 1)
		go func(in, out chan *int) {
			for item := range in {
				out <- item
			}
			close(out)
		}(in, out)
		in = out
	}
	runtime.Gosched()
	start := cpu()
	go func() {
		item := new(int)
		for i := 0; i < items; i++ {
			first <- item
		}
		close(first)
	}()
	for range in {
	}
	figure("pipeline", each(start, items*(stages+1)), "ns")
}

func children() {
	most := number(2, 1000000)
	few := most
	if few > 1000 {
		few = 1000
	}
	spawn(most, most-1)
	figure("children_few", spawn(few, most), "ns")
	figure("children_many", spawn(most, most-1), "ns")
}

// tree has a context of its own for each branch, as a group has a scope.
func tree(ctx context.Context, leaves int, waiting, done *sync.WaitGroup) {
	defer done.Done()
	if leaves == 1 {
		waiting.Done()
		<-ctx.Done()
		return
	}
	below, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	group.Add(10)
	for i := 0; i < 10; i++ {
		go tree(below, leaves/10, waiting, &group)
	}
	group.Wait()
}

func cancelTree() {
	leaves, tasks, wanted := 1, 1, number(2, 100000)
	for leaves*10 <= wanted {
		leaves *= 10
		tasks += leaves
	}
	var waiting, done sync.WaitGroup
	waiting.Add(leaves)
	done.Add(1)
	ctx, cancel := context.WithCancel(context.Background())
	go tree(ctx, leaves, &waiting, &done)
	waiting.Wait()
	for i := 0; i < 100; i++ {
		runtime.Gosched()
	}
	start := cpu()
	cancel()
	done.Wait()
	figure("cancel", each(start, tasks), "ns")
}

// sockets: goroutines that wait in a read of a connection each are told by a deadline, which is how
// a read is cancelled here.
func sockets() {
	count := number(2, 9000)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	clients, servers := make([]net.Conn, count), make([]net.Conn, count)
	var done sync.WaitGroup
	for i := range clients {
		if clients[i], err = net.Dial("tcp4", listener.Addr().String()); err != nil {
			panic(err)
		}
		if servers[i], err = listener.Accept(); err != nil {
			panic(err)
		}
		done.Add(1)
		go func(conn net.Conn) {
			defer done.Done()
			conn.Read(make([]byte, 64))
		}(servers[i])
	}
	time.Sleep(10 * time.Millisecond)
	start := cpu()
	for _, conn := range servers {
		conn.SetReadDeadline(time.Unix(1, 0))
	}
	done.Wait()
	figure("cancel_reads", each(start, count), "ns")
}

func deadlines() {
	count := number(2, 100000)
	var waiting, done sync.WaitGroup
	waiting.Add(count)
	done.Add(count)
	wake := make(chan bool)
	base := memory()
	start := cpu()
	for i := 0; i < count; i++ {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			waiting.Done()
			select {
			case <-ctx.Done():
			case <-wake:
			}
			cancel()
			done.Done()
		}()
	}
	waiting.Wait()
	figure("deadline_arm", each(start, count), "ns")
	figure("deadline_memory", float64(memory()-base)/float64(count), "B")
	start = cpu()
	close(wake)
	done.Wait()
	figure("deadline_wake", each(start, count), "ns")
}

func main() {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "micro":
		micro()
	case len(os.Args) > 1 && os.Args[1] == "skynet":
		skynet()
	case len(os.Args) > 3 && os.Args[1] == "sleepers":
		sleepers()
	case len(os.Args) > 1 && os.Args[1] == "pipeline":
		pipeline()
	case len(os.Args) > 1 && os.Args[1] == "children":
		children()
	case len(os.Args) > 1 && os.Args[1] == "cancel":
		cancelTree()
	case len(os.Args) > 1 && os.Args[1] == "sockets":
		sockets()
	case len(os.Args) > 1 && os.Args[1] == "deadlines":
		deadlines()
	default:
		fmt.Fprintln(os.Stderr, "usage: tasks micro|skynet [divisor] | sleepers <count> <ms> |"+
			" pipeline [items [stages]] | children|cancel|sockets|deadlines [count]")
		os.Exit(64)
	}
}
