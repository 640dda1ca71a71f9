// http_server.go - the answers of http_server.c from net/http and encoding/json
//
//	http_server <port>
package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"
)

type order struct {
	Item  *string `json:"item"`
	Count *int32  `json:"count"`
}

type started struct {
	Status string `json:"status"`
}

type problem struct {
	Pointer string `json:"pointer"`
	Message string `json:"message"`
}

// check does what weir and pydantic do from the declaration: all errors at once.
func (o *order) check() (problems []problem) {
	if o.Item == nil {
		problems = append(problems, problem{"/item", "is missing"})
	} else if length := utf8.RuneCountInString(*o.Item); length < 1 || length > 120 {
		problems = append(problems, problem{"/item", "has 1 to 120 characters"})
	}
	if o.Count != nil && (*o.Count < 1 || *o.Count > 100) {
		problems = append(problems, problem{"/count", "is 1 to 100"})
	}
	return problems
}

func answer(w http.ResponseWriter, status int, value interface{}) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}

func orders(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST", http.StatusMethodNotAllowed)
		return
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		http.Error(w, "application/json", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var in order
	if err := json.Unmarshal(body, &in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if problems := in.check(); problems != nil {
		answer(w, http.StatusUnprocessableEntity, problems)
		return
	}
	answer(w, http.StatusAccepted, started{"started"})
}

func main() {
	if len(os.Args) != 2 {
		os.Exit(64)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Server", "go")
		io.WriteString(w, "Hello, World!")
	})
	mux.HandleFunc("/orders", orders)
	if err := http.ListenAndServe("127.0.0.1:"+os.Args[1], mux); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}
