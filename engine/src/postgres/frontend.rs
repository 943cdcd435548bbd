//! Which message did the client send, and is it well formed?
//!
//! A frame that cannot be one (an unknown type, an impossible length) loses the stream and ends the connection. A
//! frame whose body is wrong is an answer like any other: the stream goes on behind it.

use bytes::{Buf, Bytes, BytesMut};

use super::types::builder::text_of;
use crate::error::PgError;
use crate::sqlstate;

/// A message of these types is never longer, as in Postgres.
const SMALL_BYTES_MAX: usize = 10_000;
/// Type and length.
const HEADER_BYTES: usize = 5;

/// A message of a session that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frontend {
    /// Statements to run at once.
    Query(String),
    /// A statement to prepare.
    Parse(Parse),
    /// Values for a prepared statement.
    Bind(Bind),
    /// Which parameters and columns?
    Describe(Target),
    /// Rows, please.
    Execute(Execute),
    /// Forget it.
    Close(Target),
    /// Send what waits.
    Flush,
    /// The end of a round of extended messages.
    Sync,
    /// A piece of COPY data.
    CopyData(Bytes),
    /// The end of COPY data.
    CopyDone,
    /// The client gives up a COPY.
    CopyFail(String),
    /// The obsolete way of calling one function.
    FunctionCall,
    /// The end.
    Terminate,
    /// A message with a wrong body: its type, and what is wrong.
    Malformed(u8, Box<PgError>),
}

/// Parse
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parse {
    /// The name to give it; empty for the unnamed statement.
    pub statement: String,
    /// Its text.
    pub query: String,
    /// Types of its parameters, 0 where the client leaves them to us.
    pub type_oids: Vec<u32>,
}

/// Bind
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The portal to make.
    pub portal: String,
    /// The statement that it runs.
    pub statement: String,
    /// None, one for all, or one format per parameter.
    pub parameter_formats: Vec<i16>,
    /// The values; None is NULL.
    pub parameters: Vec<Option<Bytes>>,
    /// None, one for all, or one format per column.
    pub result_formats: Vec<i16>,
}

/// Execute
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execute {
    /// The portal to run.
    pub portal: String,
    /// Most rows; 0 and less are all.
    pub rows_max: i32,
}

/// What Describe and Close are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A prepared statement.
    Statement(String),
    /// A portal.
    Portal(String),
}

impl Frontend {
    /// Takes the next message off the buffer; None until all of it is there. An error ends the connection.
    pub fn decode(buffer: &mut BytesMut, bytes_max: usize) -> Result<Option<Frontend>, PgError> {
        let Some(kind) = buffer.first().copied() else {
            return Ok(None);
        };
        let limit = match kind {
            b'Q' | b'P' | b'B' | b'F' | b'd' => bytes_max,
            b'D' | b'E' | b'C' | b'H' | b'S' | b'X' | b'c' | b'f' => SMALL_BYTES_MAX,
            unknown => {
                return Err(PgError::fatal(
                    sqlstate::PROTOCOL_VIOLATION,
                    format!("invalid frontend message type {unknown}"),
                ));
            }
        };
        let Some(length) = buffer.get(1..HEADER_BYTES) else {
            return Ok(None);
        };
        let length = i64::from((&mut &length[..]).get_i32());
        // The length counts itself.
        let body = usize::try_from(length - 4).map_err(|_| bad_length())?;
        if body > limit {
            return Err(too_long(body, limit, bytes_max));
        }
        if buffer.len() < HEADER_BYTES + body {
            buffer.reserve(HEADER_BYTES);
            return Ok(None);
        }
        buffer.advance(HEADER_BYTES);
        let body = buffer.split_to(body).freeze();
        let message = read(kind, body).unwrap_or_else(|error| {
            // COPY has its own words for what is not valid text, and they name the line.
            Frontend::Malformed(kind, Box::new(error))
        });
        Ok(Some(message))
    }

    /// The letter of its type.
    pub fn kind(&self) -> u8 {
        match self {
            Frontend::Query(_) => b'Q',
            Frontend::Parse(_) => b'P',
            Frontend::Bind(_) => b'B',
            Frontend::Describe(_) => b'D',
            Frontend::Execute(_) => b'E',
            Frontend::Close(_) => b'C',
            Frontend::Flush => b'H',
            Frontend::Sync => b'S',
            Frontend::CopyData(_) => b'd',
            Frontend::CopyDone => b'c',
            Frontend::CopyFail(_) => b'f',
            Frontend::FunctionCall => b'F',
            Frontend::Terminate => b'X',
            Frontend::Malformed(kind, _) => *kind,
        }
    }
}

/// Does a message type belong to the extended protocol, where an error skips everything up to Sync?
pub fn is_extended(kind: u8) -> bool {
    matches!(kind, b'P' | b'B' | b'D' | b'E' | b'C' | b'H')
}

fn bad_length() -> PgError {
    PgError::fatal(sqlstate::PROTOCOL_VIOLATION, "invalid message length")
}

fn too_long(length: usize, limit: usize, bytes_max: usize) -> PgError {
    if limit < bytes_max {
        return bad_length();
    }
    PgError::fatal(
        sqlstate::PROGRAM_LIMIT_EXCEEDED,
        "a message is longer than the server takes",
    )
    .with_detail(format!(
        "The message has {length} bytes; message_limit is {limit}."
    ))
    .with_hint(
        "Send less at a time, as COPY does, or start the server with a larger message_limit.",
    )
}

fn read(kind: u8, body: Bytes) -> Result<Frontend, PgError> {
    let mut body = Body(body);
    let message = match kind {
        b'Q' => Frontend::Query(body.text()?),
        b'P' => Frontend::Parse(body.parse()?),
        b'B' => Frontend::Bind(body.bind()?),
        b'D' => Frontend::Describe(body.target("DESCRIBE")?),
        b'C' => Frontend::Close(body.target("CLOSE")?),
        b'E' => Frontend::Execute(Execute {
            portal: body.text()?,
            rows_max: body.int4()?,
        }),
        b'H' => Frontend::Flush,
        b'S' => Frontend::Sync,
        b'd' => Frontend::CopyData(body.rest()),
        // Postgres reads no further in these.
        b'c' => return Ok(Frontend::CopyDone),
        b'F' => return Ok(Frontend::FunctionCall),
        b'X' => return Ok(Frontend::Terminate),
        _ => Frontend::CopyFail(body.text()?),
    };
    if body.0.is_empty() {
        Ok(message)
    } else {
        Err(violation("invalid message format"))
    }
}

fn violation(message: impl Into<String>) -> PgError {
    PgError::new(sqlstate::PROTOCOL_VIOLATION, message)
}

/// What is left of a message.
struct Body(Bytes);

impl Body {
    fn take(&mut self, count: usize) -> Result<Bytes, PgError> {
        if self.0.len() < count {
            return Err(violation("insufficient data left in message"));
        }
        Ok(self.0.split_to(count))
    }

    fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    fn int2(&mut self) -> Result<i16, PgError> {
        Ok(self.take(2)?.get_i16())
    }

    fn int4(&mut self) -> Result<i32, PgError> {
        Ok(self.take(4)?.get_i32())
    }

    /// How many elements follow. No memory is set aside for them: a short message may promise many.
    fn count(&mut self) -> Result<u16, PgError> {
        Ok(self.take(2)?.get_u16())
    }

    /// A text up to its zero byte.
    fn text(&mut self) -> Result<String, PgError> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| violation("invalid string in message"))?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        Ok(text_of(&text)?.to_string())
    }

    fn formats(&mut self) -> Result<Vec<i16>, PgError> {
        (0..self.count()?).map(|_| self.int2()).collect()
    }

    fn parse(&mut self) -> Result<Parse, PgError> {
        Ok(Parse {
            statement: self.text()?,
            query: self.text()?,
            type_oids: (0..self.count()?)
                .map(|_| Ok(self.take(4)?.get_u32()))
                .collect::<Result<_, PgError>>()?,
        })
    }

    fn bind(&mut self) -> Result<Bind, PgError> {
        Ok(Bind {
            portal: self.text()?,
            statement: self.text()?,
            parameter_formats: self.formats()?,
            parameters: (0..self.count()?)
                .map(|_| self.parameter())
                .collect::<Result<_, _>>()?,
            result_formats: self.formats()?,
        })
    }

    fn parameter(&mut self) -> Result<Option<Bytes>, PgError> {
        match self.int4()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length)
                    .map_err(|_| violation("insufficient data left in message"))?;
                Ok(Some(self.take(length)?))
            }
        }
    }

    fn target(&mut self, message: &str) -> Result<Target, PgError> {
        if self.0.is_empty() {
            return Err(violation("no data left in message"));
        }
        let kind = self.0.get_u8();
        let name = self.text()?;
        match kind {
            b'S' => Ok(Target::Statement(name)),
            b'P' => Ok(Target::Portal(name)),
            unknown => Err(violation(format!(
                "invalid {message} message subtype {unknown}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, Bytes, BytesMut};

    use super::{Frontend, Target};

    const BYTES_MAX: usize = 1 << 20;

    fn frame(kind: u8, body: &[u8]) -> BytesMut {
        let mut buffer = BytesMut::new();
        buffer.put_u8(kind);
        buffer.put_i32(body.len() as i32 + 4);
        buffer.put_slice(body);
        buffer
    }

    fn decoded(kind: u8, body: &[u8]) -> Frontend {
        Frontend::decode(&mut frame(kind, body), BYTES_MAX)
            .unwrap()
            .unwrap()
    }

    fn complaint(kind: u8, body: &[u8]) -> (String, String) {
        match decoded(kind, body) {
            Frontend::Malformed(_, error) => (error.code.0.to_string(), error.message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_waits_for_all_of_its_bytes() {
        let whole = frame(b'Q', b"SELECT 1\0");
        for cut in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..cut]);
            assert_eq!(
                Frontend::decode(&mut part, BYTES_MAX).unwrap(),
                None,
                "{cut}"
            );
        }
        assert_eq!(
            decoded(b'Q', b"SELECT 1\0"),
            Frontend::Query("SELECT 1".into())
        );
    }

    #[test]
    fn a_wrong_body_is_told_in_the_words_of_postgresql() {
        let told = |code: &str, message: &str| (code.to_string(), message.to_string());
        for (kind, body, message) in [
            (b'Q', &b"SELECT 1"[..], "invalid string in message"),
            (b'Q', b"SELECT 1\0 + 1\0", "invalid message format"),
            (b'P', b"\0SELECT 1\0\0", "insufficient data left in message"),
            (
                b'P',
                b"\0SELECT 1\0\xff\xff",
                "insufficient data left in message",
            ),
            (
                b'B',
                b"\0\0\0\0\0\x01\xff\xff\xff\xf0",
                "insufficient data left in message",
            ),
            (
                b'B',
                b"\0\0\0\0\0\x01\x7f\xff\xff\xff",
                "insufficient data left in message",
            ),
            (b'D', b"", "no data left in message"),
            (b'D', b"X\0", "invalid DESCRIBE message subtype 88"),
            (b'C', b"X\0", "invalid CLOSE message subtype 88"),
            (b'S', b"x", "invalid message format"),
        ] {
            assert_eq!(complaint(kind, body), told("08P01", message));
        }
        let wrong = "invalid byte sequence for encoding \"UTF8\": 0xe2 0x82 0x27";
        assert_eq!(
            complaint(b'Q', b"SELECT '\xe2\x82'\0"),
            told("22021", wrong)
        );
    }

    #[test]
    fn a_long_message_is_refused_before_it_is_there() {
        let mut header = BytesMut::from(&b"Q\x7f\xff\xff\xff"[..]);
        let error = Frontend::decode(&mut header, BYTES_MAX).unwrap_err();
        assert_eq!((error.code.0, error.fatal), ("54000", true));
        for header in [
            &b"S\x00\x01\x00\x00"[..],
            b"Q\x00\x00\x00\x03",
            b"Q\xff\xff\xff\xff",
        ] {
            let error = Frontend::decode(&mut BytesMut::from(header), BYTES_MAX).unwrap_err();
            assert_eq!(error.message, "invalid message length");
        }
        let error = Frontend::decode(&mut BytesMut::from(&b"!"[..]), BYTES_MAX).unwrap_err();
        assert_eq!(error.message, "invalid frontend message type 33");
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error() {
        let mut seed = 1_u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as u8
        };
        for _ in 0..20_000 {
            let kind = b"QPBDECHSXdcfF"[usize::from(next()) % 13];
            let body: Vec<u8> = (0..next() % 40).map(|_| next() % 5).collect();
            decoded(kind, &body);
        }
    }

    #[test]
    fn the_rest_of_the_buffer_is_left() {
        let mut buffer = frame(b'd', b"abc");
        buffer.extend_from_slice(&frame(b'D', b"Sname\0"));
        let first = Frontend::decode(&mut buffer, BYTES_MAX).unwrap().unwrap();
        assert_eq!(first, Frontend::CopyData(Bytes::from_static(b"abc")));
        let second = Frontend::decode(&mut buffer, BYTES_MAX).unwrap().unwrap();
        assert_eq!(second, Frontend::Describe(Target::Statement("name".into())));
        assert!(buffer.is_empty());
    }
}
