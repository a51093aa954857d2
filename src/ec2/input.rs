use crate::mapping::Action;
use crate::mapping::request::{Parameter, Rule, parse_flag};
use crate::{Fault, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// Parameters that belong to the request itself and that every action takes.
const COMMON: &[&str] = &[
    "Action",
    "Version",
    "AWSAccessKeyId",
    "Signature",
    "SignatureVersion",
    "SignatureMethod",
    "Timestamp",
    "Expires",
    "SecurityToken",
    "DryRun",
];

/// The parameters of a request. They are checked against an action's declaration before anything is looked up.
#[derive(Debug, Clone, Default)]
pub struct Input(BTreeMap<String, String>);

impl Input {
    /// From names and values as they were signed.
    pub fn new<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Self {
        Self(pairs.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
    }
    /// A value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
    /// A value that must be there and not empty.
    pub fn require(&self, name: &str) -> Outcome<&str> {
        self.get(name).filter(|v| !v.is_empty()).ok_or_else(|| Fault::missing(name))
    }
    /// A whole number. What is none was refused before.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(|v| v.parse().ok())
    }
    /// A boolean; false when it is not there.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(parse_flag).unwrap_or(false)
    }
    /// The indexes under a name, in the order of numbers: `Filter` of `Filter.2.Name`.
    pub fn indexes(&self, name: &str) -> BTreeSet<u32> {
        let prefix = format!("{name}.");
        let from = self.0.range(prefix.clone()..).take_while(|(n, _)| n.starts_with(&prefix));
        from.filter_map(|(n, _)| n[prefix.len()..].split('.').next()?.parse().ok()).collect()
    }
    /// The values of a list in the order of their indexes; a value without an index comes first.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let indexed = self.indexes(name).into_iter().filter_map(|i| self.numbered(name, i));
        self.get(name).into_iter().chain(indexed).collect()
    }
    fn numbered(&self, name: &str, index: u32) -> Option<&str> {
        // `Name.01` is index 1 as well: look by number, not by spelling.
        self.get(&format!("{name}.{index}")).or_else(|| {
            let prefix = format!("{name}.");
            let mut found = self.0.range(prefix.clone()..).take_while(|(n, _)| n.starts_with(&prefix));
            found.find(|(n, _)| n[prefix.len()..].parse() == Ok(index)).map(|(_, v)| v.as_str())
        })
    }
    /// Whether anything stands under a name.
    pub fn any(&self, name: &str) -> bool {
        let prefix = format!("{name}.");
        self.0.contains_key(name) || self.0.range(prefix.clone()..).next().is_some_and(|(n, _)| n.starts_with(&prefix))
    }
    /// Everything but what belongs to signing, for hashes: two calls with the same token must be the same in this.
    pub fn essence(&self) -> String {
        let own = self.0.iter().filter(|(n, _)| !is_common(n) && !matches!(n.as_str(), "ClientToken" | "NextToken" | "MaxResults"));
        let pairs: Vec<String> = own.map(|(n, v)| format!("{}:{n}={}:{v}", n.len(), v.len())).collect();
        pairs.join("&")
    }

    /// Refuses what the action does not declare, what cannot be, and what is missing.
    pub fn check(&self, action: &Action) -> Outcome<()> {
        for (name, value) in self.0.iter().filter(|(name, _)| !is_common(name)) {
            match action.request.iter().find(|p| p.is(name)) {
                Some(parameter) => parameter.check(name, value)?,
                None if action.filters.is_some() && is_filter(name) => {}
                None if action.paging.is_some() && matches!(name.as_str(), "MaxResults" | "NextToken") => {}
                None => return Err(Fault::new("UnknownParameter", format!("The parameter {name} is not recognized"))),
            }
        }
        if self.get("DryRun").is_some_and(|v| parse_flag(v).is_none()) {
            return Err(Fault::invalid("DryRun", "must be true or false"));
        }
        match action.request.iter().find(|p| p.required && p.rule == Rule::Take && self.lacks(p)) {
            Some(missing) => Err(Fault::missing(missing.plain())),
            None => Ok(()),
        }
    }

    fn lacks(&self, parameter: &Parameter) -> bool {
        match parameter.is_list() {
            true => !self.any(parameter.plain()),
            false => self.get(&parameter.name).is_none_or(str::is_empty),
        }
    }
}

fn is_common(name: &str) -> bool {
    COMMON.contains(&name) || name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
}

fn is_filter(name: &str) -> bool {
    let number = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    match name.split('.').collect::<Vec<_>>()[..] {
        ["Filter", n, "Name"] => number(n),
        ["Filter", n, "Value", m] => number(n) && number(m),
        // One value may come without its index.
        ["Filter", n, "Value"] => number(n),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_the_order_of_their_numbers() {
        let input = Input::new([("InstanceId.10", "c"), ("InstanceId.2", "b"), ("InstanceId.1", "a"), ("InstanceIdx.1", "z")]);
        assert_eq!(input.list("InstanceId"), ["a", "b", "c"]);
        assert_eq!(Input::new([("InstanceId", "a")]).list("InstanceId"), ["a"]);
        assert_eq!(Input::new([("InstanceId.01", "a")]).list("InstanceId"), ["a"]);
        assert!(input.list("VolumeId").is_empty() && !input.any("Instance"));
    }

    #[test]
    fn the_essence_leaves_out_what_changes_with_each_try() {
        let first = Input::new([("Action", "RunInstances"), ("Signature", "x"), ("ImageId", "ami-1"), ("ClientToken", "t")]);
        let again = Input::new([("Action", "RunInstances"), ("X-Amz-Date", "y"), ("ImageId", "ami-1"), ("ClientToken", "u")]);
        assert_eq!(first.essence(), again.essence());
        assert_ne!(first.essence(), Input::new([("ImageId", "ami-2")]).essence());
        assert_ne!(Input::new([("A", "1&1:B=1:2")]).essence(), Input::new([("A", "1"), ("B", "2")]).essence());
    }
}
