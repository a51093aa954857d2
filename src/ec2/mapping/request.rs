//! The parameters of an action as a mapping declares them: `"InstanceId.N" = "string, required, id i"`.
use crate::mapping::Tables;
use crate::{Fault, Outcome};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// anything
    Text,
    /// a whole number
    Int,
    /// `true` or `false`
    Bool,
    /// base64
    Base64,
}

/// What becomes of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// It is used.
    Take,
    /// It is known and changes nothing here.
    Ignore,
    /// It is known and cannot be served.
    Refuse,
}

/// One parameter; `N` in its name is an index, `*` at its end everything below.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// As declared, `BlockDeviceMapping.N.Ebs.VolumeSize`.
    pub name: String,
    segments: Vec<String>,
    /// What a value must be.
    pub kind: Kind,
    /// Whether it has to be there.
    pub required: bool,
    /// What becomes of it.
    pub rule: Rule,
    /// The native parameter that takes the value as it is.
    pub native: Option<String>,
    /// The kind of id that the value is.
    pub id: Option<&'static str>,
    /// The longest value in characters.
    pub longest: Option<usize>,
    /// The only values there are.
    pub values: Vec<String>,
}

impl Parameter {
    /// Reads a declaration.
    pub fn parse(name: &str, text: &str, tables: &Tables) -> Result<Self, String> {
        let mut options = text.split(',').map(str::trim);
        let kind = match options.next() {
            Some("string" | "any") => Kind::Text,
            Some("int") => Kind::Int,
            Some("boolean") => Kind::Bool,
            Some("base64") => Kind::Base64,
            other => return Err(format!("{name}: {other:?} is no type")),
        };
        let segments = name.split('.').map(str::to_owned).collect();
        let mut p = Self {
            name: name.into(),
            segments,
            kind,
            required: false,
            rule: Rule::Take,
            native: None,
            id: None,
            longest: None,
            values: Vec::new(),
        };
        for option in options {
            let (word, rest) = option.split_once(' ').unwrap_or((option, ""));
            match word {
                "required" => p.required = true,
                "ignore" => p.rule = Rule::Ignore,
                "refuse" => p.rule = Rule::Refuse,
                "as" => p.native = Some(rest.into()),
                "id" => p.id = Some(tables.prefix(rest).ok_or(format!("{name}: '{rest}' is no kind of id"))?),
                "max" => p.longest = Some(rest.parse().map_err(|_| format!("{name}: max {rest}"))?),
                "values" => p.values = rest.split('|').map(str::to_owned).collect(),
                _ => return Err(format!("{name}: '{option}' is no option")),
            }
        }
        Ok(p)
    }

    /// The name without its index: what requests are asked by.
    pub fn plain(&self) -> &str {
        self.name.strip_suffix(".N").unwrap_or(&self.name)
    }

    /// Whether it is a list of values.
    pub fn is_list(&self) -> bool {
        self.name.ends_with(".N")
    }

    /// Whether a name as sent is this parameter. A list of one may be sent without its index.
    pub fn is(&self, name: &str) -> bool {
        let mut sent = name.split('.');
        for segment in &self.segments {
            match (segment.as_str(), sent.next()) {
                ("*", Some(_)) => return true,
                ("N", Some(index)) if index.bytes().all(|b| b.is_ascii_digit()) && !index.is_empty() => {}
                ("N", None) => return self.is_list() && name == self.plain(),
                (word, Some(part)) if word == part => {}
                _ => return false,
            }
        }
        sent.next().is_none()
    }

    /// Refuses a value that cannot be.
    pub fn check(&self, name: &str, value: &str) -> Outcome<()> {
        match self.rule {
            Rule::Ignore => return Ok(()),
            Rule::Refuse if value.is_empty() || value.eq_ignore_ascii_case("false") => return Ok(()),
            Rule::Refuse => return Err(Fault::unsupported(format!("The parameter {name} is not supported by this cloud"))),
            Rule::Take => {}
        }
        let bad = |why: &str| Err(Fault::invalid(name, why));
        match self.kind {
            Kind::Int if value.parse::<i64>().is_err() => return bad("must be a whole number"),
            Kind::Bool if parse_flag(value).is_none() => return bad("must be true or false"),
            Kind::Base64 if !value.contains(' ') && decode(value).is_none() => return bad("must be base64"),
            _ => {}
        }
        if self.is_list() && value.is_empty() {
            return bad("must not be empty");
        }
        if self.longest.is_some_and(|most| value.chars().count() > most) {
            return bad("too long");
        }
        if !self.values.is_empty() && !self.values.iter().any(|v| v == value) {
            return Err(Fault::invalid(name, format!("must be one of {}", self.values.join(", "))));
        }
        Ok(())
    }
}

/// `true`, `false`, `1` or `0`.
pub fn parse_flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Base64 with or without line breaks and padding.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let dense: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bare = dense.trim_end_matches('=');
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(bare).or_else(|_| STANDARD.decode(&dense)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, text: &str) -> Parameter {
        Parameter::parse(name, text, &Tables::default()).expect("a declaration")
    }

    #[test]
    fn names_match_their_patterns() {
        let list = parameter("InstanceId.N", "string");
        assert!(list.is("InstanceId.1") && list.is("InstanceId.20") && list.is("InstanceId"));
        assert!(!list.is("InstanceId.x") && !list.is("InstanceId.1.2") && !list.is("InstanceIds.1") && !list.is("InstanceId."));
        let deep = parameter("BlockDeviceMapping.N.Ebs.VolumeSize", "int");
        assert!(deep.is("BlockDeviceMapping.1.Ebs.VolumeSize") && !deep.is("BlockDeviceMapping.1.Ebs"));
        let any = parameter("LaunchTemplate.*", "any, refuse");
        assert!(any.is("LaunchTemplate.Name") && any.is("LaunchTemplate.A.B") && !any.is("LaunchTemplate"));
    }

    #[test]
    fn values_are_checked() {
        let code = |p: &Parameter, v: &str| p.check("P", v).err().map(|f| f.code);
        assert_eq!(code(&parameter("P", "int"), "1x").as_deref(), Some("InvalidParameterValue"));
        assert_eq!(code(&parameter("P", "boolean"), "True"), None);
        assert_eq!(code(&parameter("P", "any, refuse"), "x").as_deref(), Some("UnsupportedOperation"));
        assert_eq!(code(&parameter("P", "any, ignore"), "x"), None);
        assert_eq!(code(&parameter("P.N", "string"), "").as_deref(), Some("InvalidParameterValue"));
        assert_eq!(code(&parameter("P", "string, max 3"), "abcd").as_deref(), Some("InvalidParameterValue"));
        assert_eq!(code(&parameter("P", "string, values a|b"), "c").as_deref(), Some("InvalidParameterValue"));
    }

    #[test]
    fn base64_comes_in_several_spellings() {
        for text in ["aGk=", "aGk", "aG\nk="] {
            assert_eq!(decode(text).as_deref(), Some(b"hi".as_slice()), "{text:?}");
        }
        assert_eq!(decode("a*b"), None);
    }
}
