//! TEXT values (RFC 5545, 3.3.11) and folding (3.1).

/// Octets a line may have, its end not counted.
const LINE: usize = 75;

/// A text as a TEXT value. Line ends must be `\n` already.
pub(super) fn escape(text: &str) -> String {
    let mut value = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => value.extend(['\\', c]),
            '\n' => value.push_str("\\n"),
            c => value.push(c),
        }
    }
    value
}

/// The text of a TEXT value; an unknown escape is kept as it is.
pub(super) fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (c, false) => text.push(c),
            _ => match chars.next() {
                Some('n' | 'N') => text.push('\n'),
                Some(c @ ('\\' | ';' | ',')) => text.push(c),
                Some(other) => text.extend(['\\', other]),
                None => text.push('\\'),
            },
        }
    }
    text
}

/// Appends a content line, folded so that no line has more than 75 octets and
/// no character is torn.
pub(super) fn fold_into(out: &mut String, line: &str) {
    let mut room = LINE;
    for c in line.chars() {
        if c.len_utf8() > room {
            out.push_str("\r\n ");
            room = LINE - 1;
        }
        out.push(c);
        room -= c.len_utf8();
    }
    out.push_str("\r\n");
}

/// The content lines of an object, unfolded; empty ones left out.
pub(super) fn unfold(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for physical in text.split('\n') {
        let physical = physical.strip_suffix('\r').unwrap_or(physical);
        match (physical.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some(line)) => line.push_str(rest),
            _ if physical.is_empty() => {}
            _ => lines.push(physical.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_survive_escaping(text in "[\\PC\n\t]{0,200}") {
            prop_assert_eq!(unescape(&escape(&text)), text);
        }

        #[test]
        fn lines_survive_folding(line in "[A-Z]\\PC{0,400}") {
            let mut folded = String::new();
            fold_into(&mut folded, &line);
            for physical in folded.split("\r\n") {
                prop_assert!(physical.len() <= LINE);
            }
            prop_assert_eq!(unfold(&folded), vec![line]);
        }
    }

    #[test]
    fn foreign_escapes_are_kept() {
        assert_eq!(unescape(r"a\Nb\,c\x\"), "a\nb,c\\x\\");
    }
}
