"""WebRTC without callbacks: RTP and SDP as pure functions, peers that are polled (libdatachannel)."""
