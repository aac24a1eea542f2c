//! Every bound of a gRPC connection.

/// Bytes of one request's message. Envoy's are some hundred.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Streams that a peer may have open; it is told so.
pub const STREAMS_MAX: u32 = 256;
/// Questions of one connection that wait for their answers. A peer that resets its streams at once
/// may not have more under way than one that waits.
pub const WAITING_MAX: usize = STREAMS_MAX as usize;
/// Streams that were reset before they were looked at. As many as may be open: Envoy resets all
/// that it has under way when its time is over, and that is no attack.
pub const RESET_STREAMS_MAX: usize = STREAMS_MAX as usize;
/// Bytes of a request's headers, as HTTP/2 counts them.
pub const HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// Bytes that one stream may send in all: any whole message. It is never made wider.
pub const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// Bytes of all streams that may be under way. The library's budget for small DATA frames is half of
/// it: 2048 of them, more than all streams' requests in one piece.
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Bytes of one frame, the least that HTTP/2 allows.
pub const FRAME_BYTES_MAX: u32 = 16 * 1024;
/// Bytes that are to be sent. One call of the front makes less of any honest peer's input.
pub const OUT_BYTES_MAX: usize = 4 * 1024 * 1024;
