//! What may the server say beside a result?

use crate::sqlstate::{self, SqlState};

/// A NoticeResponse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// INFO, NOTICE or WARNING
    pub severity: &'static str,
    /// 00000, or a warning's own code.
    pub code: SqlState,
    /// The line.
    pub message: String,
    /// What exactly.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Notice {
    /// Something worth knowing.
    pub fn plain(message: impl Into<String>) -> Self {
        Notice {
            severity: "NOTICE",
            code: sqlstate::SUCCESSFUL_COMPLETION,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// Progress of something long.
    pub fn info(message: impl Into<String>) -> Self {
        Notice {
            severity: "INFO",
            ..Notice::plain(message)
        }
    }

    /// Something that is probably not meant.
    pub fn warning(code: SqlState, message: impl Into<String>) -> Self {
        Notice {
            severity: "WARNING",
            code,
            ..Notice::plain(message)
        }
    }

    /// Adds what to do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Does `client_min_messages` let it through? INFO always passes.
    pub fn passes(&self, level: &str) -> bool {
        match level {
            "error" => self.severity == "INFO",
            "warning" => self.severity != "NOTICE",
            _ => true,
        }
    }
}
