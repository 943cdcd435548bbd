//! Numbers as the Romans wrote them.

const ROMAN: [(u32, &str); 13] = [
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
];

/// Months as the Romans would have numbered them.
pub const MONTHS: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];

/// The number from 1 to 3999 in capital letters; fifteen `#` for others.
pub fn roman(number: i128) -> String {
    const TOO_LARGE: &str = "###############";
    if !(1..=3999).contains(&number) {
        return TOO_LARGE.to_string();
    }
    let mut rest = number as u32;
    let mut text = String::new();
    for (value, letters) in ROMAN {
        while rest >= value {
            text.push_str(letters);
            rest -= value;
        }
    }
    text
}
