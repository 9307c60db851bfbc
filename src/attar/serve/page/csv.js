// Tables as text: reading commas, semicolons or tabs with quoted fields, and writing RFC 4180.

const DELIMITERS = [",", ";", "\t"];
const FORMULA = /^[=+\-@\t\r]/;

/** All records; a quoted field may hold delimiters, quotes and line ends. Throws Error. */
export function parse(content, delimiter) {
  const records = [];
  let record = [];
  let field = "";
  let at = 0;
  const endField = () => {
    record.push(field);
    field = "";
  };
  const endRecord = () => {
    endField();
    // A line with nothing on it is no record.
    if (record.length > 1 || record[0] !== "") records.push(record);
    record = [];
  };
  while (at < content.length) {
    const letter = content[at];
    if (letter === '"' && field === "") {
      const begun = at;
      for (at += 1; ; at += 1) {
        const end = content.indexOf('"', at);
        if (end < 0) {
          const line = content.slice(0, begun).split("\n").length;
          throw new Error(`line ${line}: a quote is opened and never closed`);
        }
        field += content.slice(at, end);
        at = end + 1;
        if (content[at] !== '"') break;
        field += '"';
      }
    } else if (letter === delimiter) {
      endField();
      at += 1;
    } else if (letter === "\n" || letter === "\r") {
      endRecord();
      at += letter === "\r" && content[at + 1] === "\n" ? 2 : 1;
    } else {
      field += letter;
      at += 1;
    }
  }
  if (field !== "" || record.length > 0) endRecord();
  return records;
}

/** {head, rows, column}: with a header that has "text" those columns, else a text a line. */
export function read(content) {
  const whole = content.replace(/^\uFEFF/, "");
  const first = whole.split(/\r\n|\n|\r/, 1)[0];
  for (const delimiter of DELIMITERS) {
    let names;
    try {
      [names = []] = parse(first, delimiter);
    } catch {
      continue;
    }
    const column = names.findIndex((name) => name.trim().toLowerCase() === "text");
    if (column >= 0) {
      const [head, ...rows] = parse(whole, delimiter);
      const width = rows.reduce((most, row) => Math.max(most, row.length), head.length);
      const padded = (record) => [...record, ...Array(width - record.length).fill("")];
      return { head: padded(head), rows: rows.map(padded), column };
    }
  }
  const lines = whole.split(/\r\n|\n|\r/).filter((line) => line.trim() !== "");
  return { head: ["text"], rows: lines.map((line) => [line]), column: 0 };
}

/** Names for the added columns that the file does not have yet. */
export function addedNames(head, added) {
  const known = new Set(head.map((name) => name.trim()));
  return added.map((name) => {
    let free = name;
    while (known.has(free)) free = `attar_${free}`;
    known.add(free);
    return free;
  });
}

const quoted = (value) => {
  const text = String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export const write = (records) =>
  records.map((record) => `${record.map(quoted).join(",")}\r\n`).join("");

/** How many cells a spreadsheet may run as formulas; they are written as they are. */
export const formulas = (records) =>
  records.reduce((sum, record) => sum + record.filter((cell) => FORMULA.test(cell)).length, 0);
