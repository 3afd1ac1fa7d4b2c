// Routes with vishvananda/netlink: request, batch (it has none: one at a time, as a rate) and dump.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
)

func add(index int) {
	route := netlink.Route{
		LinkIndex: 1,
		Scope:     netlink.SCOPE_LINK,
		Protocol:  4,
		Dst:       &net.IPNet{IP: net.IPv4(10, byte(index>>16), byte(index>>8), byte(index)), Mask: net.CIDRMask(32, 32)},
	}
	if err := netlink.RouteAdd(&route); err != nil {
		log.Fatalf("Error: %v", err)
	}
}

func dump(amount int) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil || len(routes) < amount {
		log.Fatalf("Error: %d routes of %d came, %v", len(routes), amount, err)
	}
}

func milliseconds(since time.Time) float64 { return float64(time.Since(since).Nanoseconds()) / 1e6 }

func main() {
	amount, _ := strconv.Atoi(os.Args[len(os.Args)-1])
	warm := amount / 4
	var value float64
	switch os.Args[1] {
	case "dump":
		dump(amount)
		start := time.Now()
		for i := 0; i < 3; i++ {
			dump(amount)
		}
		value = milliseconds(start) / 3
	case "request", "batch":
		for i := 0; i < warm; i++ {
			add(i)
		}
		start := time.Now()
		for i := warm; i < warm+amount; i++ {
			add(i)
		}
		value = milliseconds(start) * 1e3 / float64(amount)
		if os.Args[1] == "batch" {
			value = 1e6 / value
		}
	}
	fmt.Printf("{\"value\":%f}\n", value)
}
