//! Content lines and components, kept as they came: name, parameters and value
//! are slices of the unfolded line, the order is the object's own.

use super::{
    IcalError,
    text::{fold_into, unfold},
};

/// Components inside components; VCALENDAR, VEVENT, VALARM are three.
const DEEPEST: usize = 8;

/// One property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// As it came; compare with [`Line::is`].
    name: String,
    /// `;KEY=VALUE…` as it came, or empty.
    parameters: String,
    /// As it came, still escaped.
    pub(super) value: String,
}

/// What is inside a component, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Line(Line),
    Component(Component),
}

/// `BEGIN:NAME` … `END:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Component {
    name: String,
    pub(super) items: Vec<Item>,
}

// === impl Line ===

impl Line {
    pub(super) fn new(name: &str, parameters: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), parameters: parameters.to_owned(), value: value.into() }
    }

    fn parse(line: &str) -> Result<Self, IcalError> {
        let mut quoted = false;
        let colon = line.find(|c: char| {
            quoted ^= c == '"';
            c == ':' && !quoted
        });
        let colon = colon.ok_or(IcalError("a line without a value"))?;
        let (head, value) = (&line[..colon], &line[colon + 1..]);
        let (name, parameters) = head.split_at(head.find(';').unwrap_or(head.len()));
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(IcalError("a line without a name"));
        }
        Ok(Self::new(name, parameters, value))
    }

    /// Whether this is the property of that name; case does not matter.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value of a parameter, without its quotes.
    pub(super) fn parameter(&self, key: &str) -> Option<&str> {
        let mut rest = self.parameters.strip_prefix(';')?;
        loop {
            let mut quoted = false;
            let end = rest.find(|c: char| {
                quoted ^= c == '"';
                c == ';' && !quoted
            });
            let (parameter, next) = rest.split_at(end.unwrap_or(rest.len()));
            if let Some((name, value)) = parameter.split_once('=')
                && name.eq_ignore_ascii_case(key)
            {
                return Some(value.trim_matches('"'));
            }
            rest = next.strip_prefix(';')?;
        }
    }

    fn write(&self, out: &mut String) {
        fold_into(out, &format!("{}{}:{}", self.name, self.parameters, self.value));
    }
}

// === impl Component ===

impl Component {
    pub(super) const fn new(name: String, items: Vec<Item>) -> Self {
        Self { name, items }
    }

    /// Reads a whole text as one component.
    pub(super) fn parse(text: &str) -> Result<Self, IcalError> {
        let mut open: Vec<Self> = Vec::new();
        let mut lines = unfold(text).into_iter();
        while let Some(line) = lines.next() {
            let line = Line::parse(&line)?;
            if line.is("BEGIN") {
                if open.len() == DEEPEST {
                    return Err(IcalError("components too deep inside each other"));
                }
                open.push(Self::new(line.value, Vec::new()));
            } else if line.is("END") {
                let done = open.pop().filter(|done| done.is(&line.value));
                let done = done.ok_or(IcalError("an END without its BEGIN"))?;
                match open.last_mut() {
                    Some(parent) => parent.items.push(Item::Component(done)),
                    None if lines.next().is_none() => return Ok(done),
                    None => return Err(IcalError("more than one object")),
                }
            } else {
                let parent = open.last_mut().ok_or(IcalError("a line outside of the object"))?;
                parent.items.push(Item::Line(line));
            }
        }
        Err(IcalError("an object without its END"))
    }

    /// The text, folded.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::with_capacity(512);
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        fold_into(out, &format!("BEGIN:{}", self.name));
        for item in &self.items {
            match item {
                Item::Line(line) => line.write(out),
                Item::Component(component) => component.write(out),
            }
        }
        fold_into(out, &format!("END:{}", self.name));
    }

    /// Whether this is a component of that name; case does not matter.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The properties, in order.
    pub(super) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.items.iter().filter_map(|item| match item {
            Item::Line(line) => Some(line),
            Item::Component(_) => None,
        })
    }

    /// The first property of that name.
    pub(super) fn line(&self, name: &str) -> Option<&Line> {
        self.lines().find(|line| line.is(name))
    }

    /// The components directly inside.
    pub(super) fn components(&self) -> impl Iterator<Item = &Self> {
        self.items.iter().filter_map(|item| match item {
            Item::Component(component) => Some(component),
            Item::Line(_) => None,
        })
    }

    /// Puts a property where the first one of its name stands, or before the
    /// first component; further ones of that name go. None: all of them go.
    pub(super) fn put(&mut self, name: &str, line: Option<Line>) {
        let is_named = |item: &Item| matches!(item, Item::Line(line) if line.is(name));
        let is_component = |item: &Item| matches!(item, Item::Component(_));
        let place = self.items.iter().position(is_named);
        let place = place.or_else(|| self.items.iter().position(is_component)).unwrap_or(self.items.len());
        self.items.retain(|item| !is_named(item));
        if let Some(line) = line {
            self.items.insert(place, Item::Line(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = "BEGIN:VCALENDAR\r\nbegin:vevent\r\nX-A;P=\"q:;r\";K=v:a:b\\,c\r\n\
        X-A:again\r\nBEGIN:X-OURS\r\nEND:X-OURS\r\nATTACH:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

    #[test]
    fn an_object_is_written_as_it_was_read() {
        let object = Component::parse(OBJECT).unwrap();
        let event = object.components().next().unwrap();
        let line = event.line("x-a").unwrap();
        assert_eq!((line.parameter("p"), line.parameter("K")), (Some("q:;r"), Some("v")));
        assert_eq!((line.value.as_str(), line.parameter("none")), ("a:b\\,c", None));
        assert_eq!(
            object.to_text(),
            OBJECT.replace("begin:vevent", "BEGIN:vevent").replace("END:VEVENT", "END:vevent")
        );
    }

    #[test]
    fn a_property_is_put_in_its_place() {
        let mut event =
            Component::parse("BEGIN:VEVENT\nA:1\nB:1\nA:2\nBEGIN:X\nEND:X\nEND:VEVENT\n").unwrap();
        event.put("a", Some(Line::new("A", "", "3")));
        event.put("C", Some(Line::new("C", "", "4")));
        event.put("B", None);
        assert_eq!(event.to_text(), "BEGIN:VEVENT\r\nA:3\r\nC:4\r\nBEGIN:X\r\nEND:X\r\nEND:VEVENT\r\n");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = "BEGIN:A\n".repeat(9) + &"END:A\n".repeat(9);
        for text in [
            "",
            "A:1",
            "BEGIN:A\nEND:B",
            "BEGIN:A\nno value\nEND:A",
            "BEGIN:A\nEND:A\nBEGIN:A\nEND:A",
            "BEGIN:A",
            &deep,
        ] {
            assert!(Component::parse(text).is_err(), "{text}");
        }
    }
}
