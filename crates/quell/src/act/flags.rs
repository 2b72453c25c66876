//! The flags of an action, generated from the schema of its parameters, and the parameters that they spell.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches};
use quell_catalog::ActionKind;
use serde_json::{Map, Value};

use crate::act::kind::Kind;

/// One generated flag.
struct Flag {
    /// Name of the parameter.
    name: String,
    kind: Kind,
    required: bool,
    default: Option<Value>,
    help: String,
}

/// The flags of an action's parameters.
pub fn of(action: ActionKind) -> Vec<Arg> {
    flags(action).iter().map(Flag::to_arg).collect()
}

/// The parameters that the given flags spell; those not given are left to the catalogue's defaults.
pub fn params(action: ActionKind, matches: &ArgMatches) -> Map<String, Value> {
    flags(action).iter().filter_map(|flag| Some((flag.name.clone(), flag.value(matches)?))).collect()
}

fn flags(action: ActionKind) -> Vec<Flag> {
    let schema = (action.declared().params_schema)();
    let required = |name: &str| {
        schema["required"].as_array().is_some_and(|names| names.iter().any(|given| given == name))
    };
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    properties
        .iter()
        .map(|(name, property)| Flag {
            name: name.clone(),
            kind: Kind::of(property),
            required: required(name),
            default: property.get("default").filter(|value| worth_saying(value)).cloned(),
            help: property["description"].as_str().unwrap_or_default().to_owned(),
        })
        .collect()
}

fn worth_saying(default: &Value) -> bool {
    !(default.is_null() || *default == Value::Bool(false) || default.as_array().is_some_and(Vec::is_empty))
}

impl Flag {
    /// Apart from our own arguments, whatever a parameter is called.
    fn id(&self) -> String {
        format!("param:{}", self.name)
    }

    fn to_arg(&self) -> Arg {
        let arg = Arg::new(self.id())
            .long(self.name.replace('_', "-"))
            .help(self.help_text())
            .help_heading("Parameters")
            .required(false);
        let arg = if self.required { arg.required_unless_present("params") } else { arg };
        match &self.kind {
            Kind::Boolean if self.default.is_none() => arg.action(ArgAction::SetTrue),
            Kind::List(item) => taking(arg.action(ArgAction::Append), item),
            kind => taking(arg.action(ArgAction::Set), kind),
        }
    }

    fn help_text(&self) -> String {
        // A single break is a line of the source; a flag's help flows.
        let text = self.help.replace('\n', " ");
        let more = if matches!(self.kind, Kind::List(_)) { " May be given several times." } else { "" };
        match &self.default {
            Some(default) => format!("{text}{more} [default: {default}]"),
            None => format!("{text}{more}"),
        }
    }

    fn value(&self, matches: &ArgMatches) -> Option<Value> {
        let id = self.id();
        match &self.kind {
            Kind::Boolean if self.default.is_none() => matches.get_flag(&id).then_some(Value::Bool(true)),
            Kind::List(_) => {
                matches.get_many::<Value>(&id).map(|values| Value::Array(values.cloned().collect()))
            }
            _ => matches.get_one::<Value>(&id).cloned(),
        }
    }
}

fn taking(arg: Arg, kind: &Kind) -> Arg {
    arg.value_name(kind.placeholder()).value_parser(parser(kind)).num_args(1).allow_hyphen_values(true)
}

fn parser(kind: &Kind) -> ValueParser {
    if let Kind::Choice(choices) = kind {
        let possible: Vec<PossibleValue> = choices
            .iter()
            .map(|choice| PossibleValue::new(choice.value.clone()).help(choice.doc.clone()))
            .collect();
        return PossibleValuesParser::new(possible).map(Value::from).into();
    }
    let kind = kind.clone();
    ValueParser::new(move |text: &str| kind.read(text))
}
