//! What does a client hear when a value cannot be read or written?

use thiserror::Error;

/// A value that does not fit its type, in PostgreSQL's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ValueError {
    /// five characters, as in PostgreSQL's appendix A
    pub sqlstate: &'static str,
    /// one line for the user
    pub message: String,
    /// more about this value
    pub detail: Option<String>,
    /// what to try instead
    pub hint: Option<String>,
}

/// `invalid_text_representation`
pub const INVALID_TEXT: &str = "22P02";
/// `numeric_value_out_of_range`
pub const OUT_OF_RANGE: &str = "22003";
/// `invalid_datetime_format`
pub const INVALID_DATETIME: &str = "22007";
/// `datetime_field_overflow`
pub const DATETIME_OVERFLOW: &str = "22008";
/// `interval_field_overflow`
pub const INTERVAL_OVERFLOW: &str = "22015";
/// `string_data_right_truncation`
pub const TEXT_TOO_LONG: &str = "22001";
/// `invalid_binary_representation`
pub const INVALID_BINARY: &str = "22P03";
/// `character_not_in_repertoire`
pub const INVALID_ENCODING: &str = "22021";
/// `feature_not_supported`
pub const NOT_SUPPORTED: &str = "0A000";
/// `protocol_violation`
pub const PROTOCOL: &str = "08P01";

impl ValueError {
    /// An error of one line.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> ValueError {
        ValueError {
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// The same error with a detail line.
    pub fn with_detail(mut self, detail: impl Into<String>) -> ValueError {
        self.detail = Some(detail.into());
        self
    }

    /// The same error with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> ValueError {
        self.hint = Some(hint.into());
        self
    }

    /// `invalid input syntax for type integer: "x"`
    pub fn syntax(type_name: &str, text: &str) -> ValueError {
        ValueError::new(
            INVALID_TEXT,
            format!("invalid input syntax for type {type_name}: \"{text}\""),
        )
    }

    /// `value "99999" is out of range for type smallint`
    pub fn out_of_range(type_name: &str, text: &str) -> ValueError {
        ValueError::new(
            OUT_OF_RANGE,
            format!("value \"{text}\" is out of range for type {type_name}"),
        )
    }

    /// A binary value whose length or content its type does not have.
    pub fn binary(type_name: &str) -> ValueError {
        ValueError::new(
            INVALID_BINARY,
            format!("incorrect binary data format for type {type_name}"),
        )
    }

    /// Bytes that are not UTF-8, or hold a zero byte.
    pub fn encoding(bytes: &[u8], at: usize) -> ValueError {
        let rest = &bytes[at.min(bytes.len())..];
        // As many bytes as the first one promises, whether or not they belong to it.
        let length = match rest.first() {
            Some(0xc0..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf7) => 4,
            _ => 1,
        };
        let wrong: Vec<String> = rest
            .iter()
            .take(length)
            .map(|byte| format!("0x{byte:02x}"))
            .collect();
        ValueError::new(
            INVALID_ENCODING,
            format!(
                "invalid byte sequence for encoding \"UTF8\": {}",
                wrong.join(" ")
            ),
        )
    }
}
