//! Job: the fixed bounds that more than one crate relies on, in one place.
//! In: nothing. Out: constants, each with its unit in its name.
//! Invariant: the relations between them hold, checked while compiling.

/// Bytes of one receive buffer of the net ring.
pub const RECEIVE_BUFFER_BYTES: usize = 16 * 1024;

/// An argument of at least this many bytes travels as one reference-counted buffer and is never
/// copied again; a shorter one is copied where it must outlive the receive buffer.
pub const LARGE_ARGUMENT_BYTES: usize = 16 * 1024;

/// A value in a reply of at least this many bytes rides along as a reference instead of being
/// copied.
pub const SHARED_REPLY_BYTES_MIN: usize = 16 * 1024;

/// Words that one command may have. Redis 7.0 accepts multibulk lengths up to `INT_MAX`; what
/// limits a command in practice is `client-query-buffer-limit`.
pub const ARGUMENTS_MAX: usize = i32::MAX as usize;

/// Words that one command may have before the client has authenticated (as in Redis).
pub const ARGUMENTS_UNAUTHENTICATED_MAX: usize = 10;

/// Bytes that one argument may have before the client has authenticated (as in Redis).
pub const BULK_UNAUTHENTICATED_BYTES_MAX: usize = 16 * 1024;

/// Default of `proto-max-bulk-len`: bytes that one argument may have.
pub const BULK_BYTES_MAX_DEFAULT: usize = 512 * 1024 * 1024;

/// Bytes of an inline command, and of a length line of the protocol, that may arrive without an end
/// of line (`PROTO_INLINE_MAX_SIZE` in Redis).
pub const INLINE_BYTES_MAX: usize = 64 * 1024;

/// An incomplete command of small arguments that has grown to this size moves from the connection's
/// receive buffer into the parser, so that the former stays small.
pub const PENDING_BYTES_MAX: usize = 32 * 1024;

/// First reservation for a large argument; the rest follows when this much has truly arrived, so
/// that a client cannot make the server reserve memory by announcing a length alone.
pub const LARGE_ARGUMENT_FIRST_RESERVATION_BYTES: usize = 128 << 10;

/// Capacity that a reused arena or reply buffer keeps when it is cleared; above it memory is given
/// back.
pub const KEPT_CAPACITY_BYTES: usize = 64 * 1024;

/// Nesting of a reply that the reply parser follows before it refuses the input.
pub const REPLY_DEPTH_MAX: usize = 128;

const _: () = {
    assert!(LARGE_ARGUMENT_BYTES < LARGE_ARGUMENT_FIRST_RESERVATION_BYTES);
    assert!(
        LARGE_ARGUMENT_BYTES <= PENDING_BYTES_MAX,
        "a small argument must fit while it is pending"
    );
    assert!(PENDING_BYTES_MAX <= KEPT_CAPACITY_BYTES);
    assert!(
        SHARED_REPLY_BYTES_MIN >= 1,
        "an empty value cannot ride along: it would have no place"
    );
    assert!(BULK_UNAUTHENTICATED_BYTES_MAX <= BULK_BYTES_MAX_DEFAULT);
    assert!(ARGUMENTS_UNAUTHENTICATED_MAX <= ARGUMENTS_MAX);
    assert!(ARGUMENTS_MAX < u32::MAX as usize, "word counts are held in 32 bits");
};
