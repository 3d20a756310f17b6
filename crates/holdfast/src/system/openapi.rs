//! Completes the OpenAPI document with what is true of every operation of a kind, so that nobody writes it forty times: which
//! problems it can answer with, which headers it takes and gives, who may call it.
//!
//! A handler names only the problems that are its own, in the extension `x-problems`.

mod extras;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::Code::*;
use holdfast_web::problem_catalogue::{Description, PROBLEMS, describe, named};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

/// The extension in which a handler names its own problems, and where they stand in the document.
const OWN: &str = "x-problems";
/// The rules about text that JSON Schema can say, by the name that a type gives as its format.
const FORMATS: [(&str, &str); 10] = [
    // One line, not blank, without control characters.
    ("line", r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"),
    ("prose", r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"),
    ("mail", r"^[^@\s\x00-\x1f\x7f-\x9f]+@[^@\s\x00-\x1f\x7f-\x9f]+$"),
    ("password", r"^[^\x00-\x1f\x7f-\x9f]*$"),
    // Exact within ASCII: beyond it, letters and digits of one script.
    ("event-types", r"^(\*|[a-z_]+\.([a-z_]+|\*))$"),
    ("username", r"^[^\s\x00-\x1f\x7f-\x9f!-,/:-?\[-\^`{-~]*$"),
    ("role-name", r"^[a-z][a-z0-9-]{1,39}$"),
    ("ip-range", r"^[0-9a-fA-F:.]+(/[0-9]{1,3})?$"),
    ("web", r"^https?://[^ \x00-\x1f\x7f-\x9f]*$"),
    ("entity-tags", r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#),
];
/// What a shop answered, by operation: a test records it.
const EXAMPLES: &str = include_str!("examples.json");
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// The whole document.
pub(super) fn complete(document: &OpenApi) -> Value {
    let mut document = serde_json::to_value(document).expect("the document is plain data");
    document["servers"] = json!([{"url": "/", "description": "This server."}]);
    document["tags"] = text::tags();
    document["info"]["contact"] = text::contact();
    document["info"]["license"] =
        json!({"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"});
    document["components"]["securitySchemes"] = json!({"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token of a login, or an API key (`hfk_…`)."}});
    let schemas = document["components"]["schemas"].as_object_mut().expect("there are schemas");
    schemas.extend(PROBLEMS.iter().map(|problem| (name_of(problem), schema_of(problem))));
    let paths = document["paths"].as_object_mut().expect("there are paths");
    let examples: Value = serde_json::from_str(EXAMPLES).expect("they are recorded as JSON");
    for (path, item) in paths {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) {
                show_example(operation, &examples);
                text::tell(operation);
                Operation { path, method, operation }.complete();
            }
        }
    }
    leave_out_unused(&mut document);
    spell_out(&mut document);
    document
}

/// Shows what was asked and answered once.
fn show_example(operation: &mut Map<String, Value>, examples: &Value) {
    let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
    let Some(example) = examples.get(id) else { return };
    let show = |content: Option<&mut Value>, example: &Value| {
        let media = content.and_then(|content| content.get_mut("application/json"));
        if let Some(media) = media.filter(|_| !example.is_null()) {
            media["example"] = example.clone();
        }
    };
    let body = operation.get_mut("requestBody");
    show(body.and_then(|body| body.get_mut("content")), &example["request"]);
    let response = operation
        .get_mut("responses")
        .and_then(|responses| responses.get_mut(example["status"].to_string()));
    show(response.and_then(|response| response.get_mut("content")), &example["answer"]);
}

/// Some problems belong to no operation: there is no such route, or no such method of it.
fn leave_out_unused(document: &mut Value) {
    let paths = document["paths"].to_string();
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| {
            let is_problem = PROBLEMS.iter().any(|problem| name_of(problem) == *name);
            !is_problem || paths.contains(&format!("schemas/{name}\""))
        });
    }
}

/// Gives every text of a known format its pattern.
fn spell_out(value: &mut Value) {
    let format = value.get("format").and_then(Value::as_str);
    let known = FORMATS.iter().find(|(name, _)| format == Some(name));
    match value {
        Value::Object(members) => {
            if let Some((name, pattern)) = known {
                // Forms hide what is typed into fields of this format.
                if *name != "password" {
                    members.remove("format");
                }
                members.insert("pattern".to_owned(), json!(pattern));
            }
            members.values_mut().for_each(spell_out);
        }
        Value::Array(items) => items.iter_mut().for_each(spell_out),
        _ => {}
    }
}

/// `VersionConflictProblem`.
fn name_of(problem: &Description) -> String {
    let words = problem.name.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.chain(["Problem".to_owned()]).collect()
}

fn schema_of(problem: &Description) -> Value {
    let mut properties = json!({
        "code": {"type": "string", "const": problem.name},
        "status": {"type": "integer", "const": problem.status},
    });
    let mut required = vec!["code", "status"];
    for (name, schema) in extras::of(problem.code) {
        properties[name] = schema;
        if extras::is_in_all(problem.code, name) {
            required.push(name);
        }
    }
    json!({
        "description": format!("{}. {} {}", problem.title, problem.cause, problem.remedy),
        "allOf": [
            {"$ref": "#/components/schemas/Problem"},
            {"type": "object", "properties": properties, "required": required},
        ],
    })
}

struct Operation<'a> {
    path: &'a str,
    method: &'a str,
    operation: &'a mut Map<String, Value>,
}

impl Operation<'_> {
    fn is_safe(&self) -> bool {
        self.method == "get"
    }

    fn has(&self, name: &str) -> bool {
        self.operation.get(name).is_some_and(|value| !value.is_null())
    }

    fn takes_key(&self) -> bool {
        let ignored = [
            "/api/users/guest",
            "/api/users/login",
            "/api/users/login/mfa",
            "/api/users/refresh",
            "/api/users/logout",
            "/api/media",
            "/api/payments/webhooks/stripe",
            "/api/orders/status",
        ];
        !self.is_safe() && !ignored.contains(&self.path)
    }

    /// An update that states what it is based on.
    fn is_conditional(&self) -> bool {
        let is_change = matches!(self.method, "put" | "patch" | "delete");
        is_change && !self.path.ends_with("/password") && !self.is_of_the_clock()
    }

    /// What changes by itself as time goes on has neither version nor entity tag.
    fn is_of_the_clock(&self) -> bool {
        self.path.starts_with("/api/holds")
    }

    fn complete(mut self) {
        if !self.has("security") {
            self.operation.insert("security".to_owned(), json!([]));
        }
        self.say_optional_body();
        self.add_parameters();
        self.describe_answers();
        self.add_problems();
    }

    /// A body that may be left out is described as one that may be `null`: that is something else.
    fn say_optional_body(&mut self) {
        let Some(body) = self.operation.get_mut("requestBody") else { return };
        let Some(json) = body["content"].get_mut("application/json") else { return };
        let schema = &mut json["schema"];
        if schema.get("oneOf").is_some_and(|choices| choices[1]["type"] == "null") {
            *schema = schema["oneOf"][0].take();
            body["required"] = json!(false);
        }
    }

    fn add_parameters(&mut self) {
        let known = self.operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in known.into_iter().flatten() {
            if parameter["in"] == "query" {
                // Forms send fields that nobody filled in: they count as absent.
                parameter["allowEmptyValue"] = json!(true);
            }
        }
        let header = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema});
        let tags = json!({"type": "string", "minLength": 1, "format": "entity-tags"});
        let mut added = Vec::new();
        if self.takes_key() {
            let schema = json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": r#"^([!#-~]|[!#-~][!-~]*[!#-~]|"[!-~]+")$"#});
            let what = "Names this request for good, so that it may be repeated: visible ASCII, bare or in quotes.";
            added.push(header("Idempotency-Key", what, schema));
        }
        if self.is_conditional() {
            let what = "The entity tag that the change is based on, instead of a version.";
            added.push(header("If-Match", what, tags));
        }
        if self.responses().contains_key("304") {
            let what = "Entity tags that the client has; without effect when it cannot be read.";
            added.push(header("If-None-Match", what, json!({"type": "string"})));
        }
        if added.is_empty() {
            return;
        }
        let parameters = self.operation.entry("parameters").or_insert(json!([]));
        if let Some(parameters) = parameters.as_array_mut() {
            parameters.extend(added);
        }
    }

    fn responses(&mut self) -> &mut Map<String, Value> {
        let responses = self.operation.entry("responses").or_insert(json!({}));
        responses.as_object_mut().expect("responses are an object")
    }

    fn describe_answers(&mut self) {
        let header =
            |description: &str| json!({"description": description, "schema": {"type": "string"}});
        let (is_api, has_etag) = (self.path.starts_with("/api/"), self.has_etag());
        for (status, response) in self.responses() {
            let described = match status.as_str() {
                "201" => "It was created.",
                "204" => "It is done; there is nothing to tell.",
                "304" => "It is as the client has it.",
                "503" => "It cannot serve; `problems` says why.",
                _ => "The answer.",
            };
            if response["description"].as_str().is_none_or(str::is_empty) {
                response["description"] = json!(described);
            }
            let mut headers = json!({"X-Request-Id": header("Names the request, as in the log.")});
            if has_etag && status != "204" {
                headers["ETag"] = header("The strong entity tag of what is answered (RFC 9110).");
            }
            if status == "201" {
                headers["Location"] = header("The path of what was created.");
            }
            if response.to_string().contains("Page\"") || response.to_string().contains("List\"") {
                headers["Link"] = header("The next page, with rel=\"next\" (RFC 8288).");
            }
            if is_api {
                headers["RateLimit"] =
                    header("What is left of the limit (draft-ietf-httpapi-ratelimit-headers).");
                headers["RateLimit-Policy"] = header("The limit.");
            }
            response["headers"] = headers;
        }
    }

    fn has_etag(&mut self) -> bool {
        let responses = self.responses();
        let is_tagged = responses.contains_key("304") || responses.contains_key("201");
        (is_tagged || self.method == "patch") && !self.is_of_the_clock()
    }

    /// One answer for each status of the problems, each a union by `code`.
    fn add_problems(&mut self) {
        let mut by_status: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
        for problem in self.problems() {
            by_status.entry(problem.status).or_default().insert(problem.name);
        }
        // No answer by default: a union of all is told apart by `code`, and one without a code would be among them.
        for (status, names) in by_status {
            let reference = |name: &&str| {
                let schema = name_of(named(name).expect("it is one of the table"));
                json!({"$ref": format!("#/components/schemas/{schema}")})
            };
            let schema = match names.len() {
                1 => reference(names.first().expect("there is one")),
                _ => json!({"oneOf": names.iter().map(reference).collect::<Vec<_>>()}),
            };
            let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let response = json!({
                "description": listed.join(", "),
                "content": {"application/problem+json": {"schema": schema}},
            });
            self.responses().entry(status.to_string()).or_insert(response);
        }
    }

    fn problems(&mut self) -> Vec<&'static Description> {
        let mut codes = vec![InvalidHeader, InvalidParameter, HeadersTooLarge, UriTooLong];
        codes.extend([Overloaded, Unavailable, Timeout, Internal]);
        if self.path.starts_with("/api/") {
            codes.extend([NotAcceptable, RateLimited]);
        }
        if self.operation["security"] != json!([]) {
            codes.extend([Unauthenticated, InvalidToken, TokenExpired, TokenRevoked]);
        }
        if self.path.starts_with("/api/") && self.path.contains("/{") {
            codes.push(NotFound);
        }
        if !self.is_safe() {
            codes.extend([ContentTooLarge, RequestTimeout, Malformed, StorageFull]);
        }
        if self.has("requestBody") {
            codes.extend([UnknownField, UnsupportedMediaType, Validation]);
        }
        if self.takes_key() {
            codes.extend([IdempotencyKeyReused, IdempotencyInProgress]);
        }
        if self.is_conditional() {
            codes.extend([VersionConflict, PreconditionFailed, PreconditionRequired]);
        }
        if self
            .operation
            .get("parameters")
            .is_some_and(|known| known.to_string().contains("\"cursor\""))
        {
            codes.push(InvalidCursor);
        }
        let own = self.operation.get(OWN).and_then(Value::as_array).cloned().unwrap_or_default();
        let own = own.iter().filter_map(|name| named(name.as_str()?));
        codes.into_iter().map(describe).chain(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_name_problems_that_there_are() {
        let document = crate::wiring::document();
        for (path, item) in document["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                for name in operation[OWN].as_array().into_iter().flatten() {
                    assert!(named(name.as_str().unwrap()).is_some(), "{path}: {name}");
                }
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn look(value: &Value, document: &Value) {
            if let Some(target) = value["$ref"].as_str() {
                let pointer = target.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{target}");
            }
            match value {
                Value::Object(members) => {
                    members.values().for_each(|member| look(member, document));
                }
                Value::Array(items) => items.iter().for_each(|item| look(item, document)),
                _ => {}
            }
        }
        let document = crate::wiring::document();
        look(&document, &document);
    }
}
