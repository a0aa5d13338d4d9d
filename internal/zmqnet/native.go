// SPDX-License-Identifier: Apache-2.0

package zmqnet

/*
#cgo pkg-config: libzmq
#cgo noescape phz_receive
#cgo nocallback phz_receive
#cgo noescape phz_release
#cgo nocallback phz_release
#cgo noescape phz_send
#cgo nocallback phz_send
#cgo noescape phz_events
#cgo nocallback phz_events
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
	phz_parts = 4,    // an id and as many frames as a message may have
	phz_small = 4096, // a message of up to so many octets is copied by phz_receive
};

typedef struct {
	size_t size[phz_parts];
	void *data[phz_parts]; // valid until phz_release
	zmq_msg_t part[phz_parts];
	int kept; // how many of the parts are initialised
	int small; // everything is in octets too, one part after the other
	int error; // errno if phz_receive returned less than 1
	char octets[phz_small];
} phz_message;

static void phz_release(phz_message *m) {
	while (m->kept > 0) zmq_msg_close(&m->part[--m->kept]);
}

static int phz_receive_part(void *socket, zmq_msg_t *part) {
	int rc;
	zmq_msg_init(part);
	do rc = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
	while (rc < 0 && zmq_errno() == EINTR);
	return rc < 0 ? zmq_errno() : 0;
}

// phz_receive receives one message and returns how many parts it had, of which
// the first phz_parts are kept; 0 if nothing was received; -1 if it failed in the
// middle of a message.
static int phz_receive(void *socket, phz_message *m) {
	size_t total = 0;
	int n = 0, more = 1;
	phz_release(m);
	m->small = 0;
	for (; more; n++) {
		zmq_msg_t dropped;
		zmq_msg_t *part = n < phz_parts ? &m->part[n] : &dropped;
		m->error = phz_receive_part(socket, part);
		more = zmq_msg_more(part);
		if (m->error || n >= phz_parts) {
			zmq_msg_close(part);
			if (m->error) return n == 0 ? 0 : -1;
			continue;
		}
		m->kept = n + 1;
		m->data[n] = zmq_msg_data(part);
		m->size[n] = zmq_msg_size(part);
		total += m->size[n];
	}
	if (total <= phz_small) {
		char *to = m->octets;
		for (int i = 0; i < m->kept; i++) {
			if (m->size[i] > 0) memcpy(to, m->data[i], m->size[i]);
			to += m->size[i];
		}
		m->small = 1;
	}
	return n;
}

// phz_send sends up to three frames of one message. It returns 0, or which frame
// could not be sent, counted from 1, above its errno.
static int64_t phz_send(void *socket, int frames, void *a, size_t a_size, void *b, size_t b_size, void *c, size_t c_size) {
	void *data[] = {a, b, c};
	size_t size[] = {a_size, b_size, c_size};
	for (int i = 0; i < frames; i++) {
		int rc;
		do rc = zmq_send(socket, data[i], size[i], ZMQ_DONTWAIT | (i + 1 < frames ? ZMQ_SNDMORE : 0));
		while (rc < 0 && zmq_errno() == EINTR);
		if (rc < 0) return (int64_t)(i + 1) << 32 | zmq_errno();
	}
	return 0;
}

// phz_events returns the socket's ZMQ_EVENTS, or less than 0 for -errno.
static int phz_events(void *socket) {
	int events = 0, rc;
	size_t size = sizeof events;
	do rc = zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
	while (rc < 0 && zmq_errno() == EINTR);
	return rc < 0 ? -zmq_errno() : events;
}
*/
import "C"

import (
	"errors"
	"reflect"
	"unsafe"

	zmq "github.com/pebbe/zmq4"
)

// native sends and receives whole messages. The binding makes five calls into C
// to receive one frame, and one more with an allocation to ask whether another
// follows: in a stand-alone master that was a fourth of the time of a job. All
// else is the binding's business.
type native struct {
	socket unsafe.Pointer
	in     *C.phz_message // the message received last; nil once freed. In C's memory since it points into itself
}

var errBinding = errors.New("zmqnet: this version of github.com/pebbe/zmq4 keeps its sockets elsewhere: build with the one in go.mod")

// newNative looks up libzmq's socket in the binding's, which does not give it
// away.
func newNative(z *zmq.Socket) (*native, error) {
	field := reflect.ValueOf(z).Elem().FieldByName("soc")
	if !field.IsValid() || field.Kind() != reflect.UnsafePointer || field.IsNil() {
		return nil, errBinding
	}
	in := (*C.phz_message)(C.malloc(C.sizeof_phz_message)) // never nil: cgo ends the process instead
	in.kept = 0
	return &native{socket: field.UnsafePointer(), in: in}, nil
}

// receive returns the number of frames of the message that was received, the
// id of a ROUTER's peer included; 0 and why if there was none; -1 and why if the
// rest of a message is missing. What was received is there until the next call,
// or release.
func (n *native) receive() (frames int, err error) {
	frames = int(C.phz_receive(n.socket, n.in))
	if frames <= 0 {
		return frames, zmq.Errno(n.in.error)
	}
	return frames, nil
}

// release frees what receive received.
func (n *native) release() { C.phz_release(n.in) }

// free frees everything of ours. Nothing else may be called after it.
func (n *native) free() {
	n.release()
	C.free(unsafe.Pointer(n.in))
	n.in = nil
}

// large tells whether what was received should not be kept until the next
// message arrives.
func (n *native) large() bool { return n.in.small == 0 }

// take copies the parts of the message, at most len(parts). The copies are the
// caller's to keep; those of a small message share their memory.
func (n *native) take(parts [][]byte) int {
	kept := min(int(n.in.kept), len(parts))
	if n.large() {
		for i := range kept {
			from := unsafe.Slice((*byte)(n.in.data[i]), n.in.size[i])
			parts[i] = append([]byte{}, from...) // which clears nothing before it copies
		}
		return kept
	}
	total := 0
	for i := range kept {
		total += int(n.in.size[i])
	}
	octets := unsafe.Slice((*byte)(unsafe.Pointer(&n.in.octets[0])), len(n.in.octets))
	block := append([]byte{}, octets[:total]...)
	for i := range kept {
		size := int(n.in.size[i])
		parts[i], block = block[:size:size], block[size:]
	}
	return kept
}

var peerAddressName = []byte("Peer-Address\x00")

// peerAddress is what libzmq knows about the sender of a received part. The id
// of a ROUTER's peer does not carry it, the part after it does.
func (n *native) peerAddress(part int) string {
	if part >= int(n.in.kept) {
		return ""
	}
	s := C.zmq_msg_gets(&n.in.part[part], (*C.char)(unsafe.Pointer(&peerAddressName[0])))
	if s == nil {
		return ""
	}
	return C.GoString(s)
}

// nothing stands for the octets of an empty frame.
var nothing = []byte{0}

// send sends the first so many of the frames. It returns 0, or which frame
// failed, counted from 1, and why.
func (n *native) send(frames int, a, b, c []byte) (failed int, err error) {
	sizeA, sizeB, sizeC := len(a), len(b), len(c)
	if sizeA == 0 {
		a = nothing
	}
	if sizeB == 0 {
		b = nothing
	}
	if sizeC == 0 {
		c = nothing
	}
	code := int64(C.phz_send(n.socket, C.int(frames), unsafe.Pointer(&a[0]), C.size_t(sizeA),
		unsafe.Pointer(&b[0]), C.size_t(sizeB), unsafe.Pointer(&c[0]), C.size_t(sizeC)))
	if code == 0 {
		return 0, nil
	}
	const word = 1 << 32
	return int(code / word), zmq.Errno(code % word)
}

// events returns which of ZMQ_POLLIN and ZMQ_POLLOUT holds.
func (n *native) events() (zmq.State, error) {
	events := int(C.phz_events(n.socket))
	if events < 0 {
		return 0, zmq.Errno(-events)
	}
	return zmq.State(events), nil
}
