//! One connection, with every message that came back in sight.
//!
//! Blocking on purpose: a test reads from top to bottom, and a time limit on the socket turns a hang
//! into a failure.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::wire::{self, Column, Format, Message, Reader, Report};

/// No single answer of a test takes longer.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// A connection to a server.
pub struct Client {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    process_id: i32,
    secret: i32,
    /// What the server reported: `server_version`, `TimeZone`, …
    pub parameters: BTreeMap<String, String>,
    /// The status byte of the last ReadyForQuery: `I`, `T` or `E`.
    pub status: char,
}

/// What came back for one statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The columns, if a RowDescription came.
    pub columns: Option<Vec<Column>>,
    /// The rows.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    /// The command tag; empty for an empty statement or a suspended portal.
    pub tag: String,
    /// COPY data that the server sent.
    pub copied: Vec<u8>,
}

impl Answer {
    /// The rows as text, `NULL` for NULL.
    pub fn table(&self) -> Vec<Vec<String>> {
        let value = |value: &Option<Vec<u8>>| match value {
            None => "NULL".to_owned(),
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        self.rows
            .iter()
            .map(|row| row.iter().map(value).collect())
            .collect()
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<&str> {
        self.columns
            .iter()
            .flatten()
            .map(|column| column.name.as_str())
            .collect()
    }
}

/// Everything that came back up to a ReadyForQuery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// One answer for each statement that finished or was suspended.
    pub answers: Vec<Answer>,
    /// The error that stopped the string of statements.
    pub error: Option<Report>,
    /// Notices in the order they came.
    pub notices: Vec<Report>,
    /// The type bytes of all messages in their order, a run of rows or of notices as one.
    pub transcript: String,
    /// The types that a ParameterDescription told.
    pub parameter_types: Vec<u32>,
}

impl Reply {
    /// The SQLSTATE of the error, empty when there is none.
    pub fn code(&self) -> &str {
        self.error.as_ref().map_or("", Report::code)
    }

    /// The last answer of a reply without an error.
    ///
    /// # Panics
    /// When there was an error or no answer.
    pub fn answer(&self) -> &Answer {
        if let Some(error) = &self.error {
            panic!("{error}");
        }
        self.answers.last().expect("the server answered")
    }

    /// The rows of [`Reply::answer`] as text.
    pub fn table(&self) -> Vec<Vec<String>> {
        self.answer().table()
    }

    /// The only value of the only row of [`Reply::answer`].
    ///
    /// # Panics
    /// When there is not exactly one.
    pub fn value(&self) -> String {
        let table = self.table();
        assert!(
            table.len() == 1 && table[0].len() == 1,
            "one value was expected: {table:?}"
        );
        table[0][0].clone()
    }

    /// The error.
    ///
    /// # Panics
    /// When there was none.
    pub fn failure(&self) -> &Report {
        match &self.error {
            Some(error) => error,
            None => panic!("an error was expected, got {:?}", self.answers),
        }
    }
}

impl Client {
    /// Connects with these startup parameters and waits for the first ReadyForQuery.
    ///
    /// # Errors
    /// When the server refuses; its report is in the error's text.
    pub fn connect(address: SocketAddr, parameters: &[(&str, &str)]) -> io::Result<Client> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.set_nodelay(true)?;
        stream.write_all(&wire::startup(parameters))?;
        let mut client = Client {
            stream: BufReader::new(stream),
            address,
            process_id: 0,
            secret: 0,
            parameters: BTreeMap::new(),
            status: '?',
        };
        let reply = client.reply()?;
        match reply.error {
            None => Ok(client),
            Some(error) => Err(io::Error::new(
                io::ErrorKind::ConnectionRefused,
                error.to_string(),
            )),
        }
    }

    /// Sends messages in one write.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, messages: &[Message]) -> io::Result<()> {
        let bytes: Vec<u8> = messages.iter().flat_map(Message::encode).collect();
        self.send_bytes(&bytes)
    }

    /// Sends bytes as they are, for what no honest client would say.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads one message and keeps what it says about the session.
    ///
    /// # Errors
    /// When the connection ends or nothing comes for two minutes.
    pub fn message(&mut self) -> io::Result<Message> {
        let message = Message::read(&mut self.stream)?;
        let mut reader = Reader::new(&message.body);
        match message.tag {
            b'S' => drop(self.parameters.insert(reader.text(), reader.text())),
            b'K' => (self.process_id, self.secret) = (reader.int4(), reader.int4()),
            b'Z' => self.status = char::from(reader.byte()),
            _ => {}
        }
        Ok(message)
    }

    /// Reads up to the next ReadyForQuery.
    ///
    /// # Errors
    /// When the connection ends first; a FATAL report is in the error's text.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut reply = Reply::default();
        let mut answer = Answer::default();
        loop {
            let message = self.message().map_err(|end| match &reply.error {
                Some(report) => io::Error::new(end.kind(), report.to_string()),
                None => end,
            })?;
            if !(b"DNd".contains(&message.tag)
                && reply.transcript.ends_with(char::from(message.tag)))
            {
                reply.transcript.push(char::from(message.tag));
            }
            match message.tag {
                b'Z' => return Ok(reply),
                b'E' => reply.error = Some(Report::decode(&message.body)),
                b'N' => reply.notices.push(Report::decode(&message.body)),
                b'T' => answer.columns = Some(wire::columns(&message.body)),
                b'D' => answer.rows.push(wire::row(&message.body)),
                b'd' => answer.copied.extend_from_slice(&message.body),
                b't' => {
                    let mut reader = Reader::new(&message.body);
                    let length = reader.int2();
                    reply.parameter_types = (0..length).map(|_| reader.oid()).collect();
                }
                b'C' => {
                    answer.tag = Reader::new(&message.body).text();
                    reply.answers.push(std::mem::take(&mut answer));
                }
                b's' | b'I' => reply.answers.push(std::mem::take(&mut answer)),
                // The server waits for data: the caller has to send it.
                b'G' => return Ok(reply),
                _ => {}
            }
        }
    }

    /// Sends messages and reads up to the next ReadyForQuery.
    ///
    /// # Panics
    /// When the connection ends.
    pub fn exchange(&mut self, messages: &[Message]) -> Reply {
        self.send(messages).expect("the connection takes messages");
        self.reply().expect("the connection answers")
    }

    /// Runs a string of statements in the simple protocol.
    pub fn simple(&mut self, sql: &str) -> Reply {
        self.exchange(&[wire::query(sql)])
    }

    /// Runs statements that must succeed.
    ///
    /// # Panics
    /// When one fails.
    pub fn run(&mut self, sql: &str) -> Reply {
        let reply = self.simple(sql);
        if let Some(error) = &reply.error {
            panic!("{sql}\n{error}");
        }
        reply
    }

    /// Runs one statement in the extended protocol, parameters and results as text, their types left
    /// to the server.
    pub fn extended(&mut self, sql: &str, parameters: &[Option<&str>]) -> Reply {
        self.extended_in(sql, &[], parameters, Format::Text)
    }

    /// [`Client::extended`] with declared parameter types and a result format.
    pub fn extended_in(
        &mut self,
        sql: &str,
        types: &[u32],
        parameters: &[Option<&str>],
        format: Format,
    ) -> Reply {
        self.exchange(&[
            wire::parse("", sql, types),
            wire::bind("", "", parameters, format),
            wire::describe(b'P', ""),
            wire::execute("", 0),
            wire::sync(),
        ])
    }

    /// Runs `COPY … FROM STDIN` and sends it these pieces of data.
    pub fn copy_in(&mut self, sql: &str, pieces: &[&[u8]]) -> Reply {
        let reply = self.simple(sql);
        if !reply.transcript.ends_with('G') {
            return reply;
        }
        let mut messages: Vec<Message> = pieces.iter().map(|data| wire::copy_data(data)).collect();
        messages.push(wire::copy_done());
        self.exchange(&messages)
    }

    /// Something that can cancel this session's statement from another thread.
    pub fn canceller(&self) -> Canceller {
        Canceller {
            address: self.address,
            process_id: self.process_id,
            secret: self.secret,
        }
    }

    /// The number that the server gave this session.
    pub fn process_id(&self) -> i32 {
        self.process_id
    }

    /// Gives up on an answer after this time instead of two minutes.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(timeout))
    }

    /// Whether the server closes the connection without sending more than errors and notices.
    pub fn is_closed_by_server(&mut self) -> bool {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).is_ok()
    }
}

/// Cancels what a session runs.
#[derive(Debug, Clone, Copy)]
pub struct Canceller {
    address: SocketAddr,
    process_id: i32,
    secret: i32,
}

impl Canceller {
    /// Sends the cancel request and waits until the server has taken it.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn cancel(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(&wire::cancel(self.process_id, self.secret))?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).map(|_| ())
    }
}
