//! Are the source files short, documented, finished and well named?

use std::path::PathBuf;

use tarn_sql_tests::repository::{files, read, relative, root};

use super::assert_none;

const FILE_LINES_MAX: usize = 1000;
/// Nine files in ten stay below this.
const FILE_LINES_P90: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// File and folder names that do not say what is inside.
const BANNED_NAMES: [&str; 9] = [
    "util", "utils", "common", "helper", "helpers", "manager", "core", "misc", "shared",
];

/// Functions that were longer than the limit when the rule came: `path function lines`. They may
/// shrink and leave this list; nothing may join it.
const LONG_FUNCTIONS: &str = include_str!("long_functions.txt");

fn rust_files() -> Vec<PathBuf> {
    files(&root(), "rs")
}

#[test]
fn every_module_opens_with_the_question_it_answers() {
    let bare: Vec<String> = rust_files()
        .iter()
        .filter(|path| !read(path).trim_start().starts_with("//!"))
        .map(|path| relative(path))
        .collect();
    assert_none(
        "open these files with `//!` and the question that they answer",
        &bare,
    );
}

#[test]
fn files_are_short() {
    let mut lengths: Vec<(usize, String)> = rust_files()
        .iter()
        .map(|path| (read(path).lines().count(), relative(path)))
        .collect();
    lengths.sort();
    let giants: Vec<String> = lengths
        .iter()
        .filter(|(lines, _)| *lines > FILE_LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert_none("cut these files (at most 1000 lines)", &giants);
    let long: Vec<String> = lengths
        .iter()
        .filter(|(lines, _)| *lines > FILE_LINES_P90)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(
        long.len() * 10 <= lengths.len(),
        "more than one file in ten is over {FILE_LINES_P90} lines; cut some of these:\n  {}",
        long.join("\n  ")
    );
}

#[test]
fn functions_fit_on_a_screen() {
    let mut allowed: Vec<(String, usize)> = LONG_FUNCTIONS
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let (name, lines) = line.rsplit_once(' ').expect("`path function lines`");
            (
                name.to_owned(),
                lines.parse().expect("`path function lines`"),
            )
        })
        .collect();
    let mut offences = Vec::new();
    for path in rust_files() {
        for (name, lines) in long_functions(&read(&path)) {
            let name = format!("{} {name}", relative(&path));
            match allowed.iter().position(|(known, _)| *known == name) {
                Some(place) if allowed[place].1 >= lines => drop(allowed.swap_remove(place)),
                Some(place) => {
                    offences.push(format!("{name} grew to {lines} lines"));
                    allowed.swap_remove(place);
                }
                None => offences.push(format!("{name} has {lines} lines")),
            }
        }
    }
    assert_none("split these functions (at most 70 lines)", &offences);
    let healed: Vec<String> = allowed.into_iter().map(|(name, _)| name).collect();
    assert_none("good news: take these off tidy/long_functions.txt", &healed);
}

/// Name and length of each function over the limit. It relies on rustfmt: the closing brace stands
/// in the column of the `fn` line.
fn long_functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some(name) = function_name(line) else {
            continue;
        };
        let closing = format!("{}}}", " ".repeat(indent));
        let end = lines[start..].iter().position(|line| *line == closing);
        let declared_only = lines[start..]
            .iter()
            .find_map(|line| {
                let end = line.trim_end();
                if end.ends_with('{') || end.ends_with("{}") {
                    Some(false)
                } else {
                    end.ends_with(';').then_some(true)
                }
            })
            .unwrap_or(true);
        if let Some(end) = end
            && !declared_only
            && end + 1 > FUNCTION_LINES_MAX
        {
            found.push((name, end + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let mut words = line.trim_start().split([' ', '(', '<']);
    loop {
        match words.next()? {
            "pub" | "async" | "const" | "unsafe" | "extern" | "\"C\"" | "crate)" | "super)" => {}
            "fn" => return words.next().map(str::to_owned),
            _ => return None,
        }
    }
}

#[test]
fn names_say_what_is_inside() {
    let vague: Vec<String> = rust_files()
        .iter()
        .map(|path| relative(path))
        .filter(|path| {
            path.trim_end_matches(".rs")
                .split('/')
                .any(|part| BANNED_NAMES.contains(&part))
        })
        .collect();
    assert_none("name these after their job", &vague);
}

#[test]
fn nothing_is_left_for_later() {
    // Spelled in two pieces, so that this file passes its own test.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("#[", "ignore"),
        concat!("#[should", "_panic"),
        concat!("unimple", "mented!("),
    ];
    let mut offences = Vec::new();
    for extension in ["rs", "sql", "slt", "py", "java", "md", "toml"] {
        for path in files(&root(), extension) {
            for (number, line) in read(&path).lines().enumerate() {
                if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                    offences.push(format!("{}:{}: {mark}", relative(&path), number + 1));
                }
            }
        }
    }
    assert_none("finish these or write an issue", &offences);
}

#[test]
fn nothing_names_a_folder_of_one_machine() {
    let folders = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/wo", "rk/"),
    ];
    let mut offences = Vec::new();
    for extension in ["rs", "sql", "slt", "py", "java", "md", "toml", "csv"] {
        for path in files(&root(), extension) {
            if let Some(folder) = folders.iter().find(|folder| read(&path).contains(**folder)) {
                offences.push(format!("{}: {folder}", relative(&path)));
            }
        }
    }
    assert_none("others do not have these folders", &offences);
}

#[test]
fn the_measure_of_functions_measures() {
    let body = "        let x = 1;\n".repeat(70);
    let text = format!(
        "impl A {{\n    pub(crate) async fn long<T>(\n        a: T,\n    ) {{\n{body}    }}\n}}\n"
    );
    assert_eq!(long_functions(&text), [("long".to_owned(), 74)]);
    assert_eq!(
        long_functions("trait A {\n    fn only_declared(&self) -> u8;\n}\n"),
        []
    );
    let short = "fn short() {\n    1;\n}\n";
    assert_eq!(long_functions(short), []);
}
