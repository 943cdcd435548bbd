//! What does a template of dates, such as `FMDay, DD "of" Month YYYY`, ask for?

use super::ordinal::Ordinal;

/// Capital, small, or as a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// `MONTH`
    Upper,
    /// `Month`
    Title,
    /// `month`
    Lower,
}

/// A field of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the templates")]
pub enum Key {
    Era {
        dots: bool,
    },
    Meridiem {
        dots: bool,
    },
    Cc,
    Day,
    Dy,
    Ddd,
    Dd,
    D,
    /// FF1 to FF6
    Ff(usize),
    Fx,
    Hh24,
    /// HH and HH12
    Hh12,
    Iddd,
    Id,
    Iw,
    /// IYYY, IYY, IY and I
    IsoYear(usize),
    J,
    Mi,
    Mm,
    Month,
    Mon,
    Ms,
    Of,
    Q,
    Rm,
    Ssss,
    Ss,
    Tzh,
    Tzm,
    Tz,
    Us,
    Ww,
    W,
    YearComma,
    /// YYYY, YYY, YY and Y
    Year(usize),
}

/// A field as a template writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Which field.
    pub key: Key,
    /// Its case.
    pub case: Case,
    /// As in the template, for messages.
    pub name: &'static str,
    /// `FM`: no padding.
    pub fill_mode: bool,
    /// `TM`: no padding of names.
    pub translation_mode: bool,
    /// `TH` or `th`.
    pub ordinal: Option<Ordinal>,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A field.
    Field(Field),
    /// A letter that stands for itself.
    Letter(char),
    /// A space or a separator.
    Separator(char),
}

/// A template in its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatePattern {
    /// In order.
    pub nodes: Vec<Node>,
}

use Case::{Lower, Title, Upper};

/// Longer words stand before their beginnings.
const WORDS: &[(&str, Key, Case)] = &[
    ("A.D.", Key::Era { dots: true }, Upper),
    ("A.M.", Key::Meridiem { dots: true }, Upper),
    ("AD", Key::Era { dots: false }, Upper),
    ("AM", Key::Meridiem { dots: false }, Upper),
    ("B.C.", Key::Era { dots: true }, Upper),
    ("BC", Key::Era { dots: false }, Upper),
    ("CC", Key::Cc, Upper),
    ("DAY", Key::Day, Upper),
    ("DDD", Key::Ddd, Upper),
    ("DD", Key::Dd, Upper),
    ("DY", Key::Dy, Upper),
    ("Day", Key::Day, Title),
    ("Dy", Key::Dy, Title),
    ("D", Key::D, Upper),
    ("FF1", Key::Ff(1), Upper),
    ("FF2", Key::Ff(2), Upper),
    ("FF3", Key::Ff(3), Upper),
    ("FF4", Key::Ff(4), Upper),
    ("FF5", Key::Ff(5), Upper),
    ("FF6", Key::Ff(6), Upper),
    ("FX", Key::Fx, Upper),
    ("HH24", Key::Hh24, Upper),
    ("HH12", Key::Hh12, Upper),
    ("HH", Key::Hh12, Upper),
    ("IDDD", Key::Iddd, Upper),
    ("ID", Key::Id, Upper),
    ("IW", Key::Iw, Upper),
    ("IYYY", Key::IsoYear(4), Upper),
    ("IYY", Key::IsoYear(3), Upper),
    ("IY", Key::IsoYear(2), Upper),
    ("I", Key::IsoYear(1), Upper),
    ("J", Key::J, Upper),
    ("MI", Key::Mi, Upper),
    ("MM", Key::Mm, Upper),
    ("MONTH", Key::Month, Upper),
    ("MON", Key::Mon, Upper),
    ("MS", Key::Ms, Upper),
    ("Month", Key::Month, Title),
    ("Mon", Key::Mon, Title),
    ("OF", Key::Of, Upper),
    ("P.M.", Key::Meridiem { dots: true }, Upper),
    ("PM", Key::Meridiem { dots: false }, Upper),
    ("Q", Key::Q, Upper),
    ("RM", Key::Rm, Upper),
    ("SSSSS", Key::Ssss, Upper),
    ("SSSS", Key::Ssss, Upper),
    ("SS", Key::Ss, Upper),
    ("TZH", Key::Tzh, Upper),
    ("TZM", Key::Tzm, Upper),
    ("TZ", Key::Tz, Upper),
    ("US", Key::Us, Upper),
    ("WW", Key::Ww, Upper),
    ("W", Key::W, Upper),
    ("Y,YYY", Key::YearComma, Upper),
    ("YYYY", Key::Year(4), Upper),
    ("YYY", Key::Year(3), Upper),
    ("YY", Key::Year(2), Upper),
    ("Y", Key::Year(1), Upper),
    ("a.d.", Key::Era { dots: true }, Lower),
    ("a.m.", Key::Meridiem { dots: true }, Lower),
    ("ad", Key::Era { dots: false }, Lower),
    ("am", Key::Meridiem { dots: false }, Lower),
    ("b.c.", Key::Era { dots: true }, Lower),
    ("bc", Key::Era { dots: false }, Lower),
    ("cc", Key::Cc, Upper),
    ("day", Key::Day, Lower),
    ("ddd", Key::Ddd, Upper),
    ("dd", Key::Dd, Upper),
    ("dy", Key::Dy, Lower),
    ("d", Key::D, Upper),
    ("ff1", Key::Ff(1), Upper),
    ("ff2", Key::Ff(2), Upper),
    ("ff3", Key::Ff(3), Upper),
    ("ff4", Key::Ff(4), Upper),
    ("ff5", Key::Ff(5), Upper),
    ("ff6", Key::Ff(6), Upper),
    ("fx", Key::Fx, Upper),
    ("hh24", Key::Hh24, Upper),
    ("hh12", Key::Hh12, Upper),
    ("hh", Key::Hh12, Upper),
    ("iddd", Key::Iddd, Upper),
    ("id", Key::Id, Upper),
    ("iw", Key::Iw, Upper),
    ("iyyy", Key::IsoYear(4), Upper),
    ("iyy", Key::IsoYear(3), Upper),
    ("iy", Key::IsoYear(2), Upper),
    ("i", Key::IsoYear(1), Upper),
    ("j", Key::J, Upper),
    ("mi", Key::Mi, Upper),
    ("mm", Key::Mm, Upper),
    ("month", Key::Month, Lower),
    ("mon", Key::Mon, Lower),
    ("ms", Key::Ms, Upper),
    ("of", Key::Of, Upper),
    ("p.m.", Key::Meridiem { dots: true }, Lower),
    ("pm", Key::Meridiem { dots: false }, Lower),
    ("q", Key::Q, Upper),
    ("rm", Key::Rm, Lower),
    ("sssss", Key::Ssss, Upper),
    ("ssss", Key::Ssss, Upper),
    ("ss", Key::Ss, Upper),
    ("tzh", Key::Tzh, Upper),
    ("tzm", Key::Tzm, Upper),
    ("tz", Key::Tz, Lower),
    ("us", Key::Us, Upper),
    ("ww", Key::Ww, Upper),
    ("w", Key::W, Upper),
    ("y,yyy", Key::YearComma, Upper),
    ("yyyy", Key::Year(4), Upper),
    ("yyy", Key::Year(3), Upper),
    ("yy", Key::Year(2), Upper),
    ("y", Key::Year(1), Upper),
];

impl DatePattern {
    /// Reads a template. Everything is one.
    pub fn parse(template: &str) -> DatePattern {
        let mut nodes = Vec::new();
        let mut rest = template;
        while let Some(first) = rest.chars().next() {
            let (after_prefix, fill_mode, translation_mode) = prefixes(rest);
            if let Some((name, key, case)) = word(after_prefix) {
                rest = &after_prefix[name.len()..];
                let ordinal = suffix(&mut rest);
                nodes.push(Node::Field(Field {
                    key,
                    case,
                    name,
                    fill_mode,
                    translation_mode,
                    ordinal,
                }));
                continue;
            }
            if after_prefix.len() < rest.len() {
                // A prefix without a field is dropped.
                rest = after_prefix;
                continue;
            }
            match first {
                '"' => rest = quoted(&rest[1..], &mut nodes),
                '\\' if rest[1..].starts_with('"') => {
                    nodes.push(Node::Letter('"'));
                    rest = &rest[2..];
                }
                other => {
                    nodes.push(match is_separator(other) {
                        true => Node::Separator(other),
                        false => Node::Letter(other),
                    });
                    rest = &rest[other.len_utf8()..];
                }
            }
        }
        DatePattern { nodes }
    }
}

impl DatePattern {
    /// Does it show the zone's abbreviation?
    pub fn has_zone_name(&self) -> bool {
        self.nodes
            .iter()
            .any(|node| matches!(node, Node::Field(field) if field.key == Key::Tz))
    }
}

/// ASCII other than letters, digits and quotes, and white space.
pub fn is_separator(character: char) -> bool {
    character.is_ascii_whitespace()
        || (character.is_ascii_graphic() && !character.is_ascii_alphanumeric())
}

fn prefixes(mut rest: &str) -> (&str, bool, bool) {
    let (mut fill_mode, mut translation_mode) = (false, false);
    loop {
        if let Some(after) = rest.strip_prefix("FM").or_else(|| rest.strip_prefix("fm")) {
            (rest, fill_mode) = (after, true);
        } else if let Some(after) = rest.strip_prefix("TM").or_else(|| rest.strip_prefix("tm")) {
            (rest, translation_mode) = (after, true);
        } else {
            return (rest, fill_mode, translation_mode);
        }
    }
}

fn word(rest: &str) -> Option<(&'static str, Key, Case)> {
    WORDS
        .iter()
        .find(|(name, _, _)| rest.starts_with(name))
        .copied()
}

fn suffix(rest: &mut &str) -> Option<Ordinal> {
    for (text, ordinal) in [
        ("TH", Some(Ordinal::Upper)),
        ("th", Some(Ordinal::Lower)),
        ("SP", None),
    ] {
        if let Some(after) = rest.strip_prefix(text) {
            *rest = after;
            return ordinal;
        }
    }
    None
}

/// Letters up to the closing quote; a backslash takes the next one as it is.
fn quoted<'t>(rest: &'t str, nodes: &mut Vec<Node>) -> &'t str {
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return &rest[at + 1..],
            '\\' => {
                if let Some((_, escaped)) = characters.next() {
                    nodes.push(Node::Letter(escaped));
                }
            }
            other => nodes.push(Node::Letter(other)),
        }
    }
    ""
}
