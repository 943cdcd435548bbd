//! The bytes of the protocol, version 3: messages to the server and messages from it.

use std::collections::BTreeMap;
use std::io::{self, Read};

/// The code that opens a cancel request.
const CANCEL_CODE: i32 = 80_877_102;
/// Protocol 3.0.
const VERSION: i32 = 196_608;

/// A message as it travels: its type byte and what follows the length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The type byte, for example `b'D'` for a row.
    pub tag: u8,
    /// The body, without type byte and length.
    pub body: Vec<u8>,
}

impl Message {
    /// An empty message of this type.
    pub fn new(tag: u8) -> Message {
        Message {
            tag,
            body: Vec::new(),
        }
    }

    /// Appends a string and its closing zero byte.
    pub fn text(mut self, text: &str) -> Message {
        self.body.extend_from_slice(text.as_bytes());
        self.body.push(0);
        self
    }

    /// Appends one byte.
    pub fn byte(mut self, byte: u8) -> Message {
        self.body.push(byte);
        self
    }

    /// Appends a 16-bit integer.
    pub fn int2(mut self, value: i16) -> Message {
        self.body.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Appends a 32-bit integer.
    pub fn int4(mut self, value: i32) -> Message {
        self.body.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Appends bytes as they are.
    pub fn bytes(mut self, bytes: &[u8]) -> Message {
        self.body.extend_from_slice(bytes);
        self
    }

    /// The message with its type byte and length in front.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.tag];
        bytes.extend_from_slice(&length_prefixed(&self.body));
        bytes
    }

    /// Reads the next message.
    ///
    /// # Errors
    /// When the connection ends or a length is impossible.
    pub fn read(source: &mut impl Read) -> io::Result<Message> {
        let mut head = [0; 5];
        source.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let length = length.checked_sub(4).ok_or(io::ErrorKind::InvalidData)?;
        let mut body = vec![0; length];
        source.read_exact(&mut body)?;
        Ok(Message { tag: head[0], body })
    }
}

fn length_prefixed(body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).expect("a test message is short");
    [&length.to_be_bytes(), body].concat()
}

/// The startup packet with these parameters (`user`, `database`, …).
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut message = Message::new(0).int4(VERSION);
    for (name, value) in parameters {
        message = message.text(name).text(value);
    }
    length_prefixed(&message.byte(0).body)
}

/// The cancel request for a session's key.
pub fn cancel(process_id: i32, secret: i32) -> Vec<u8> {
    length_prefixed(
        &Message::new(0)
            .int4(CANCEL_CODE)
            .int4(process_id)
            .int4(secret)
            .body,
    )
}

/// A string of statements in the simple protocol.
pub fn query(sql: &str) -> Message {
    Message::new(b'Q').text(sql)
}

/// Names a statement; `types` may be shorter than the list of its parameters, 0 leaves one open.
pub fn parse(name: &str, sql: &str, types: &[u32]) -> Message {
    let message = Message::new(b'P')
        .text(name)
        .text(sql)
        .int2(count(types.len()));
    types
        .iter()
        .fold(message, |message, oid| message.bytes(&oid.to_be_bytes()))
}

/// Text (0) or binary (1), as the protocol writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As people read it.
    Text,
    /// As the type's own bytes.
    Binary,
}

/// Opens `portal` over `statement`. Parameters go as text, results come in `format`.
pub fn bind(portal: &str, statement: &str, parameters: &[Option<&str>], format: Format) -> Message {
    let values: Vec<Option<&[u8]>> = parameters
        .iter()
        .map(|value| value.map(str::as_bytes))
        .collect();
    bind_bytes(portal, statement, Format::Text, &values, format)
}

/// [`bind`] with parameters in a format of one's choice.
pub fn bind_bytes(
    portal: &str,
    statement: &str,
    parameter_format: Format,
    parameters: &[Option<&[u8]>],
    format: Format,
) -> Message {
    let code = |format| i16::from(format == Format::Binary);
    let mut message = Message::new(b'B').text(portal).text(statement);
    message = message
        .int2(1)
        .int2(code(parameter_format))
        .int2(count(parameters.len()));
    for value in parameters {
        message = match value {
            None => message.int4(-1),
            Some(bytes) => {
                let length = i32::try_from(bytes.len()).expect("a test value is short");
                message.int4(length).bytes(bytes)
            }
        };
    }
    message.int2(1).int2(code(format))
}

fn count(length: usize) -> i16 {
    i16::try_from(length).expect("a test has few values")
}

/// Asks what a statement (`b'S'`) or a portal (`b'P'`) takes and returns.
pub fn describe(kind: u8, name: &str) -> Message {
    Message::new(b'D').byte(kind).text(name)
}

/// Runs a portal for at most `rows_max` rows; 0 means all.
pub fn execute(portal: &str, rows_max: i32) -> Message {
    Message::new(b'E').text(portal).int4(rows_max)
}

/// Forgets a statement (`b'S'`) or a portal (`b'P'`).
pub fn close(kind: u8, name: &str) -> Message {
    Message::new(b'C').byte(kind).text(name)
}

/// Ends a batch of the extended protocol.
pub fn sync() -> Message {
    Message::new(b'S')
}

/// Asks for the answers so far.
pub fn flush() -> Message {
    Message::new(b'H')
}

/// A piece of COPY data.
pub fn copy_data(data: &[u8]) -> Message {
    Message::new(b'd').bytes(data)
}

/// The end of COPY data.
pub fn copy_done() -> Message {
    Message::new(b'c')
}

/// Gives a COPY up.
pub fn copy_fail(reason: &str) -> Message {
    Message::new(b'f').text(reason)
}

/// Takes values off the front of a message body.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads a body from its start.
    pub fn new(body: &'a [u8]) -> Reader<'a> {
        Reader { rest: body }
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        assert!(
            length <= self.rest.len(),
            "the server sent a message that is too short"
        );
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    /// The next 16-bit integer.
    pub fn int2(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().expect("two bytes"))
    }

    /// The next 32-bit integer.
    pub fn int4(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    /// The next OID.
    pub fn oid(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().expect("four bytes"))
    }

    /// The next string, up to its zero byte.
    pub fn text(&mut self) -> String {
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == 0)
            .expect("a string ends in zero");
        let text = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest = &self.rest[end + 1..];
        text
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// One column of a RowDescription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The table that it comes from, or 0.
    pub table_oid: u32,
    /// Its number in that table, or 0.
    pub attribute: i16,
    /// Its type.
    pub type_oid: u32,
    /// The length of the type in bytes; negative when it varies.
    pub type_length: i16,
    /// Its modifier, or -1.
    pub type_modifier: i32,
    /// 0 for text, 1 for binary.
    pub format: i16,
}

/// Decodes a RowDescription.
pub fn columns(body: &[u8]) -> Vec<Column> {
    let mut reader = Reader::new(body);
    let length = reader.int2();
    (0..length)
        .map(|_| Column {
            name: reader.text(),
            table_oid: reader.oid(),
            attribute: reader.int2(),
            type_oid: reader.oid(),
            type_length: reader.int2(),
            type_modifier: reader.int4(),
            format: reader.int2(),
        })
        .collect()
}

/// Decodes a DataRow.
pub fn row(body: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut reader = Reader::new(body);
    let length = reader.int2();
    (0..length)
        .map(|_| {
            let length = reader.int4();
            usize::try_from(length)
                .ok()
                .map(|length| reader.take(length).to_vec())
        })
        .collect()
}

/// An error or a notice: its fields by their letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    fields: BTreeMap<u8, String>,
}

impl Report {
    /// Decodes an ErrorResponse or a NoticeResponse.
    pub fn decode(body: &[u8]) -> Report {
        let mut reader = Reader::new(body);
        let mut fields = BTreeMap::new();
        while !reader.is_empty() {
            match reader.byte() {
                0 => break,
                field => drop(fields.insert(field, reader.text())),
            }
        }
        Report { fields }
    }

    /// A field by its letter, empty when it was not sent.
    pub fn field(&self, letter: u8) -> &str {
        self.fields.get(&letter).map_or("", String::as_str)
    }

    /// `ERROR`, `FATAL`, `NOTICE` …
    pub fn severity(&self) -> &str {
        self.field(b'S')
    }

    /// The SQLSTATE.
    pub fn code(&self) -> &str {
        self.field(b'C')
    }

    /// The message in one line.
    pub fn message(&self) -> &str {
        self.field(b'M')
    }

    /// What to do about it, if the server knows.
    pub fn hint(&self) -> &str {
        self.field(b'H')
    }

    /// Where in the statement, counted in characters from 1.
    pub fn position(&self) -> Option<usize> {
        self.field(b'P').parse().ok()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} {}: {}",
            self.severity(),
            self.code(),
            self.message()
        )?;
        for (letter, label) in [(b'D', "detail"), (b'H', "hint"), (b'P', "position")] {
            if !self.field(letter).is_empty() {
                write!(out, " [{label}: {}]", self.field(letter))?;
            }
        }
        Ok(())
    }
}
