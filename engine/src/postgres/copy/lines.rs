//! Where does a line of COPY data end, when chunks end anywhere?
//!
//! Each byte is looked at once: what has been searched is remembered across chunks.

use super::form::CopyForm;
use crate::parser::CopyFormat;

/// How lines end; the first line decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Unknown,
    /// a line feed, with or without a carriage return before it
    Feed,
    Return,
}

/// What hides a line feed from being an end.
#[derive(Debug, Clone, Copy)]
enum Hiding {
    /// a backslash before it
    Backslash,
    /// quotes around it
    Quotes { quote: u8, escape: u8 },
}

/// Bytes received and not yet given out as lines.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// start of the current line
    start: usize,
    /// searched so far
    searched: usize,
    in_quotes: bool,
    hiding: Hiding,
    line_end: LineEnd,
}

impl Lines {
    pub(super) fn new(form: &CopyForm) -> Lines {
        let hiding = match form.format {
            CopyFormat::Csv => Hiding::Quotes {
                quote: form.quote,
                escape: form.escape,
            },
            _ => Hiding::Backslash,
        };
        Lines {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            in_quotes: false,
            hiding,
            line_end: LineEnd::Unknown,
        }
    }

    /// Takes a chunk; lines given out before are forgotten.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole line without its end; None: more bytes are needed.
    pub(super) fn next_line(&mut self) -> Option<&[u8]> {
        let end = self.find_end()?;
        let line = self.start..end;
        let mut next = end + 1;
        if self.line_end != LineEnd::Return && self.buffer[end] == b'\r' {
            // A carriage return is an end by itself only in files that use it so; here a feed follows.
            next = end + 2;
        }
        self.start = next;
        self.searched = next;
        Some(&self.buffer[line])
    }

    /// What is left behind the last line end, and whether its quotes are still open.
    pub(super) fn rest(&mut self) -> (&[u8], bool) {
        let mut end = self.buffer.len();
        if end > self.start && !self.in_quotes && self.buffer[end - 1] == b'\r' {
            end -= 1;
        }
        let line = self.start..end;
        (&self.buffer[line], self.in_quotes)
    }

    fn find_end(&mut self) -> Option<usize> {
        match self.hiding {
            Hiding::Backslash => self.find_end_of_text(),
            Hiding::Quotes { quote, escape } => self.find_end_of_csv(quote, escape),
        }
    }

    fn find_end_of_text(&mut self) -> Option<usize> {
        loop {
            let bytes = &self.buffer[self.searched..];
            let at = self.searched
                + bytes
                    .iter()
                    .position(|byte| matches!(byte, b'\n' | b'\r' | b'\\'))?;
            self.searched = at;
            if self.buffer[at] == b'\\' {
                // Whatever follows is data; wait until it is there.
                self.buffer.get(at + 1)?;
                self.searched = at + 2;
            } else if let Some(end) = self.accept_end(at)? {
                return Some(end);
            }
        }
    }

    fn find_end_of_csv(&mut self, quote: u8, escape: u8) -> Option<usize> {
        loop {
            let bytes = &self.buffer[self.searched..];
            if self.in_quotes {
                let at = self.searched
                    + bytes
                        .iter()
                        .position(|byte| *byte == quote || *byte == escape)?;
                self.searched = at;
                if escape != quote && self.buffer[at] == escape {
                    let next = *self.buffer.get(at + 1)?;
                    self.searched = at
                        + if next == quote || next == escape {
                            2
                        } else {
                            1
                        };
                } else {
                    self.in_quotes = false;
                    self.searched = at + 1;
                }
                continue;
            }
            let at = self.searched
                + bytes
                    .iter()
                    .position(|byte| matches!(byte, b'\n' | b'\r') || *byte == quote)?;
            self.searched = at;
            if self.buffer[at] == quote {
                self.in_quotes = true;
                self.searched = at + 1;
            } else if let Some(end) = self.accept_end(at)? {
                return Some(end);
            }
        }
    }

    /// Is the feed or return at this place the end? Outer None: the next byte must be seen first.
    fn accept_end(&mut self, at: usize) -> Option<Option<usize>> {
        let is_return = self.buffer[at] == b'\r';
        let feed_follows = || self.buffer.get(at + 1).map(|next| *next == b'\n');
        let is_end = match (self.line_end, is_return) {
            (LineEnd::Unknown, false) => {
                self.line_end = LineEnd::Feed;
                true
            }
            (LineEnd::Unknown, true) => {
                self.line_end = if feed_follows()? {
                    LineEnd::Feed
                } else {
                    LineEnd::Return
                };
                true
            }
            (LineEnd::Feed, false) => true,
            (LineEnd::Feed, true) => feed_follows()?,
            (LineEnd::Return, is_return) => is_return,
        };
        if !is_end {
            self.searched = at + 1;
        }
        Some(is_end.then_some(at))
    }
}
