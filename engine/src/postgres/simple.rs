//! How is a Query message answered?
//!
//! The statements of the string run one after the other, each fully answered before the next begins. Several of
//! them share one transaction; the first error ends the string.

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::EmptyQueryResponse;

use super::connection::Connection;
use super::message;
use super::portal::RowsSender;
use crate::error::PgError;
use crate::parser::{self, Parsed, Statement};
use crate::session::Block;
use crate::session::outcome::Outcome;
use crate::session::prepared::Parameters;

impl Connection {
    pub(super) async fn simple_query(&mut self, sql: &str) -> Result<(), PgError> {
        let guard = self.session.begin_statement();
        self.portals.remove("");
        self.unnamed = None;
        let answered = self.run_string(sql).await;
        drop(guard);
        if self.session.block() == Block::Idle {
            self.portals.clear();
        }
        if let Err(error) = answered {
            if error.fatal {
                return Err(error);
            }
            message::error(&mut self.client.out, &error);
            self.session.fail();
        }
        self.finish()
    }

    async fn run_string(&mut self, sql: &str) -> Result<(), PgError> {
        let statements = match parser::parse(sql) {
            Ok(statements) => statements,
            Err(error) => {
                self.session.fail();
                return Err(error);
            }
        };
        if statements.is_empty() {
            let empty = PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new());
            message::put(&mut self.client.out, empty);
            return Ok(());
        }
        for parsed in &statements {
            if statements.len() > 1 {
                // A COMMIT inside the string ends the shared transaction; what follows shares a new one.
                self.session.begin_implicit();
            }
            let answered = self.run_simple(parsed).await;
            self.session.note_answered(answered.as_ref().err());
            answered?;
        }
        self.session.end_implicit().await
    }

    async fn run_simple(&mut self, parsed: &Parsed) -> Result<(), PgError> {
        if let Statement::Fetch(moved) = &parsed.statement
            && moved.is_move
            && !self.session.cursors.contains_key(&moved.name)
            && self.portals.contains_key(&moved.name)
        {
            self.session.check_block(&parsed.statement)?;
            return self.move_portal(moved).await;
        }
        let parameters = Parameters::default();
        let running = self.session.run(parsed, &parameters);
        match self.client.drive(running).await? {
            Outcome::Command(tag) => {
                message::complete(&mut self.client.out, tag);
                Ok(())
            }
            Outcome::Rows(rows) => {
                let settings = message::format_settings(&self.session);
                let mut sender = RowsSender::new(rows, &[], settings)?;
                message::row_description(&mut self.client.out, sender.fields());
                self.send_rows(&mut sender, 0).await?;
                message::complete(&mut self.client.out, sender.tag());
                Ok(())
            }
            Outcome::CopyIn(copy) => self.copy_in(*copy).await,
            Outcome::CopyOut(copy) => self.copy_out(*copy).await,
        }
    }
}
