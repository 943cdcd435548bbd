//! How are Parse, Bind, Describe, Execute and Close answered?

use std::sync::Arc;

use arrow::datatypes::Field;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    BindComplete, CloseComplete, ParseComplete, PortalSuspended,
};
use pgwire::messages::response::EmptyQueryResponse;

use tarn_catalog::types::{PgType, declared};

use super::connection::Connection;
use super::frontend::{Bind, Execute, Frontend, Parse, Target};
use super::message;
use super::portal::{Portal, PortalState, RowsSender};
use super::types::parameter::{decode_numeric, decode_parameter};
use super::types::row::describe;
use super::types::settings::Format;
use crate::error::PgError;
use crate::parser::{Fetch, FetchDirection, Parsed};
use crate::session::Block;
use crate::session::outcome::Outcome;
use crate::session::prepared::{Parameters, Prepared};
use crate::{parser, sqlstate, statement};

impl Connection {
    pub(super) async fn extended(&mut self, frontend: Frontend) -> Result<(), PgError> {
        match frontend {
            Frontend::Parse(parse) => self.parse(parse).await,
            Frontend::Bind(bind) => self.bind(bind),
            Frontend::Describe(wanted) => self.describe(&wanted),
            Frontend::Execute(execute) => self.execute(execute).await,
            Frontend::Close(target) => self.close(&target),
            _ => Err(PgError::fatal(
                sqlstate::PROTOCOL_VIOLATION,
                "unexpected message",
            )),
        }
    }

    async fn parse(&mut self, parse: Parse) -> Result<(), PgError> {
        let name = parse.statement;
        if name.is_empty() {
            self.unnamed = None;
        } else if self.session.prepared.contains_key(&name) {
            return Err(statement::prepared::duplicate(&name));
        }
        let mut statements = parser::parse(&parse.query)?;
        if statements.len() > 1 {
            return Err(PgError::syntax(
                "cannot insert multiple commands into a prepared statement",
            ));
        }
        let guard = self.session.begin_statement();
        let preparing = self.session.prepare(statements.pop(), &parse.type_oids);
        let prepared = self.client.drive(preparing).await?;
        drop(guard);
        if name.is_empty() {
            self.unnamed = Some(prepared);
        } else {
            self.session.prepared.insert(name, prepared);
        }
        message::put(
            &mut self.client.out,
            PgWireBackendMessage::ParseComplete(ParseComplete::new()),
        );
        Ok(())
    }

    fn statement(&self, name: &str) -> Result<Arc<Prepared>, PgError> {
        match name {
            "" => self.unnamed.clone().ok_or_else(|| {
                PgError::new(
                    sqlstate::INVALID_SQL_STATEMENT_NAME,
                    "unnamed prepared statement does not exist",
                )
            }),
            name => statement::prepared::find(&self.session, name),
        }
    }

    fn bind(&mut self, bind: Bind) -> Result<(), PgError> {
        let name = bind.portal.clone();
        if name.is_empty() {
            self.portals.remove("");
        } else if self.portals.contains_key(&name) {
            return Err(PgError::new(
                sqlstate::DUPLICATE_CURSOR,
                format!("cursor \"{name}\" already exists"),
            ));
        }
        let prepared = self.statement(&bind.statement)?;
        if let Some(parsed) = &prepared.parsed {
            self.session.check_block(&parsed.statement)?;
        }
        let parameters = self.decode_parameters(&bind, &prepared)?;
        let formats = bind
            .result_formats
            .iter()
            .map(|code| format(*code))
            .collect::<Result<Vec<_>, _>>()?;
        let portal = Portal {
            prepared,
            parameters,
            formats,
            state: PortalState::Ready,
        };
        self.portals.insert(name, portal);
        message::put(
            &mut self.client.out,
            PgWireBackendMessage::BindComplete(BindComplete::new()),
        );
        Ok(())
    }

    fn decode_parameters(&self, bind: &Bind, prepared: &Prepared) -> Result<Parameters, PgError> {
        if bind.parameters.len() != prepared.parameters.len() {
            return Err(PgError::new(
                sqlstate::PROTOCOL_VIOLATION,
                format!(
                    "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                    bind.parameters.len(),
                    bind.statement,
                    prepared.parameters.len()
                ),
            ));
        }
        let codes = &bind.parameter_formats;
        if codes.len() > 1 && codes.len() != bind.parameters.len() {
            return Err(PgError::new(
                sqlstate::PROTOCOL_VIOLATION,
                format!(
                    "bind message has {} parameter formats but {} parameters",
                    codes.len(),
                    bind.parameters.len()
                ),
            ));
        }
        let settings = message::format_settings(&self.session);
        let mut values = Vec::with_capacity(bind.parameters.len());
        let mut fields = prepared.parameter_fields();
        for (index, (bytes, pg_type)) in
            bind.parameters.iter().zip(&prepared.parameters).enumerate()
        {
            let code = match codes.as_slice() {
                [] => 0,
                [one] => *one,
                many => many[index],
            };
            let located = |error: PgError| PgError {
                context: Some(format!("unnamed portal parameter ${}", index + 1)),
                ..error
            };
            let (bytes, format) = (bytes.as_deref(), format(code).map_err(located)?);
            let value = match *pg_type {
                PgType::NUMERIC => decode_numeric(bytes, format),
                pg_type => decode_parameter(bytes, format, pg_type, &settings),
            };
            let value = value.map_err(|error| located(PgError::from(error)))?;
            if *pg_type == PgType::NUMERIC {
                // The plan is made for the digits of this value.
                let field = Field::new("", value.data_type(), true);
                fields[index] = Some(Arc::new(declared(field, *pg_type)));
            }
            values.push(value);
        }
        Ok(Parameters { fields, values })
    }

    fn describe(&mut self, wanted: &Target) -> Result<(), PgError> {
        let name = match wanted {
            Target::Portal(name) => name,
            Target::Statement(name) => {
                let prepared = self.statement(name)?;
                let types = prepared.parameters.iter().map(|t| t.oid).collect();
                message::put(
                    &mut self.client.out,
                    PgWireBackendMessage::ParameterDescription(ParameterDescription::new(types)),
                );
                return self.put_columns(&prepared, &[]);
            }
        };
        if let Some(cursor) = self.session.cursors.get(name) {
            let fields = describe(&cursor.schema, &[])?;
            message::row_description(&mut self.client.out, &fields);
            return Ok(());
        }
        let portal = self.portals.get(name).ok_or_else(|| missing_portal(name))?;
        let (prepared, formats) = (Arc::clone(&portal.prepared), portal.formats.clone());
        self.put_columns(&prepared, &formats)
    }

    fn put_columns(&mut self, prepared: &Prepared, formats: &[Format]) -> Result<(), PgError> {
        match &prepared.columns {
            Some(schema) => {
                let fields = describe(schema, formats)?;
                message::row_description(&mut self.client.out, &fields);
            }
            None => message::put(
                &mut self.client.out,
                PgWireBackendMessage::NoData(NoData::new()),
            ),
        }
        Ok(())
    }

    async fn execute(&mut self, execute: Execute) -> Result<(), PgError> {
        let name = execute.portal;
        let rows_max = u64::try_from(execute.rows_max).unwrap_or(0);
        let mut portal = self
            .portals
            .remove(&name)
            .ok_or_else(|| missing_portal(&name))?;
        let guard = self.session.begin_statement();
        let was_in_block = self.session.block() == Block::Open;
        let (is_first, from) = (self.begins_transaction(), self.client.position());
        self.answer = None;
        let answered = self.execute_portal(&mut portal, rows_max).await;
        if is_first && answered.is_ok() {
            self.remember_answer(&portal, from);
        }
        drop(guard);
        self.session.note_answered(answered.as_ref().err());
        if was_in_block && self.session.block() == Block::Idle {
            // Portals end with their transaction.
            self.portals.clear();
            return answered;
        }
        self.portals.insert(name, portal);
        answered
    }

    async fn execute_portal(&mut self, portal: &mut Portal, rows_max: u64) -> Result<(), PgError> {
        let prepared = Arc::clone(&portal.prepared);
        let Some(parsed) = &prepared.parsed else {
            let empty = PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new());
            message::put(&mut self.client.out, empty);
            return Ok(());
        };
        match self.start_portal(portal, parsed).await? {
            Some(Outcome::Command(tag)) => {
                message::complete(&mut self.client.out, tag);
                return Ok(());
            }
            Some(Outcome::CopyIn(copy)) => return self.copy_in(*copy).await,
            Some(Outcome::CopyOut(copy)) => return self.copy_out(*copy).await,
            Some(Outcome::Rows(_)) | None => {}
        }
        let PortalState::Running(sender) = &mut portal.state else {
            // A finished portal has no more rows.
            message::complete(&mut self.client.out, "SELECT 0".to_string());
            return Ok(());
        };
        if self.send_rows(sender, rows_max).await? {
            message::complete(&mut self.client.out, sender.tag());
            portal.state = PortalState::Done;
        } else {
            let suspended = PgWireBackendMessage::PortalSuspended(PortalSuspended::new());
            message::put(&mut self.client.out, suspended);
        }
        Ok(())
    }

    /// Runs a portal's statement unless that was done before; what it gives unless it gives rows.
    async fn start_portal(
        &mut self,
        portal: &mut Portal,
        parsed: &Parsed,
    ) -> Result<Option<Outcome>, PgError> {
        if !matches!(portal.state, PortalState::Ready) {
            return Ok(None);
        }
        self.session.begin_implicit();
        let running = self.session.run(parsed, &portal.parameters);
        match self.client.drive(running).await? {
            Outcome::Rows(rows) => {
                portal.prepared.check_columns(&rows.schema)?;
                let settings = message::format_settings(&self.session);
                let sender = RowsSender::new(rows, &portal.formats, settings)?;
                portal.state = PortalState::Running(Box::new(sender));
                Ok(None)
            }
            other => {
                portal.state = PortalState::Done;
                Ok(Some(other))
            }
        }
    }

    /// MOVE over rows of a portal, which SQL knows as a cursor.
    pub(super) async fn move_portal(&mut self, moved: &Fetch) -> Result<(), PgError> {
        let mut portal = self
            .portals
            .remove(&moved.name)
            .ok_or_else(|| missing_portal(&moved.name))?;
        let skipped = self.skip_in_portal(&mut portal, moved.direction).await;
        self.portals.insert(moved.name.clone(), portal);
        message::complete(&mut self.client.out, format!("MOVE {}", skipped?));
        Ok(())
    }

    async fn skip_in_portal(
        &mut self,
        portal: &mut Portal,
        direction: FetchDirection,
    ) -> Result<u64, PgError> {
        let prepared = Arc::clone(&portal.prepared);
        if let Some(parsed) = &prepared.parsed {
            self.start_portal(portal, parsed).await?;
        }
        let rows_max = match direction {
            FetchDirection::All => u64::MAX,
            FetchDirection::Forward(count) => count,
        };
        let PortalState::Running(sender) = &mut portal.state else {
            return Ok(0);
        };
        let skipped = self.skip_rows(sender, rows_max).await?;
        if skipped < rows_max {
            portal.state = PortalState::Done;
        }
        Ok(skipped)
    }

    fn close(&mut self, target: &Target) -> Result<(), PgError> {
        match target {
            Target::Statement(name) if name.is_empty() => self.unnamed = None,
            Target::Statement(name) => {
                self.session.prepared.remove(name);
            }
            Target::Portal(name) => {
                self.portals.remove(name);
            }
        }
        message::put(
            &mut self.client.out,
            PgWireBackendMessage::CloseComplete(CloseComplete::new()),
        );
        Ok(())
    }
}

fn format(code: i16) -> Result<Format, PgError> {
    Format::of_code(code).ok_or_else(|| {
        PgError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("unsupported format code: {code}"),
        )
    })
}

fn missing_portal(name: &str) -> PgError {
    PgError::new(
        sqlstate::INVALID_CURSOR_NAME,
        format!("portal \"{name}\" does not exist"),
    )
}
