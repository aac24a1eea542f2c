//! Job: write a command as a client sends it.
//! In: its words. Out: bytes appended to a buffer.
//! Invariant: what is written is what [`RequestParser`](crate::RequestParser) reads back.

/// Appends one command as an array of bulk strings.
pub fn write_command<'a, Words>(out: &mut Vec<u8>, words: Words)
where
    Words: IntoIterator<Item = &'a [u8]>,
    Words::IntoIter: ExactSizeIterator,
{
    let words = words.into_iter();
    write_header(out, b'*', words.len());
    for word in words {
        write_header(out, b'$', word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

fn write_header(out: &mut Vec<u8>, marker: u8, count: usize) {
    out.push(marker);
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
    out.extend_from_slice(b"\r\n");
}
