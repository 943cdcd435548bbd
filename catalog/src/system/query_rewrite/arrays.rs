//! What are the elements of an array literal such as `{a,"b c",NULL}`?

/// Elements of a one-dimensional array literal, None for NULL; None if the text is no such literal.
pub(super) fn elements_of_literal(text: &str) -> Option<Vec<Option<String>>> {
    let inside = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inside.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut elements = Vec::new();
    let mut rest = inside;
    loop {
        let (element, after) = element(rest.trim_start())?;
        elements.push(element);
        match after.trim_start() {
            "" => return Some(elements),
            after => rest = after.strip_prefix(',')?,
        }
    }
}

/// The first element and what follows it.
fn element(text: &str) -> Option<(Option<String>, &str)> {
    let is_quoted = text.starts_with('"');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(is_quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            '"' if is_quoted => return Some((Some(value), &text[at + 1..])),
            ',' if !is_quoted => return Some((unquoted(&value)?, &text[at..])),
            '{' | '}' | '"' if !is_quoted => return None,
            _ => value.push(character),
        }
    }
    if is_quoted {
        None
    } else {
        Some((unquoted(&value)?, ""))
    }
}

/// An element without quotes: blanks around it do not count, NULL is null, nothing at all is an error.
fn unquoted(text: &str) -> Option<Option<String>> {
    match text.trim() {
        "" => None,
        word if word.eq_ignore_ascii_case("null") => Some(None),
        word => Some(Some(word.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::elements_of_literal;

    #[test]
    fn array_literals_are_read_as_postgresql_reads_them() {
        let read = |text| {
            elements_of_literal(text).map(|elements| {
                elements
                    .into_iter()
                    .map(|element| element.unwrap_or("∅".to_string()))
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(read("{}"), Some(vec![]));
        assert_eq!(
            read("{a, b ,\"c,d\"}"),
            Some(vec!["a".to_string(), "b".to_string(), "c,d".to_string()])
        );
        assert_eq!(
            read("{null,\"null\",\"a\\\"b\"}"),
            Some(vec![
                "∅".to_string(),
                "null".to_string(),
                "a\"b".to_string()
            ])
        );
        assert_eq!(read("{\"\"}"), Some(vec![String::new()]));
        assert_eq!(read("{a,}"), None);
        assert_eq!(read("{{1},{2}}"), None);
        assert_eq!(read("a,b"), None);
        assert_eq!(read("{\"a}"), None);
    }
}
