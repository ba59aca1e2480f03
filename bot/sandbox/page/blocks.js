// Block Kit as Slack's client draws it, as far as Parley uses it; what it does not know it names, so that nothing is hidden.
import { button, made } from "./dom.js";

// Draws blocks. `act` is told of a click: {action_id, block_id, value}; `typed` of a field that changed.
export function drawn(blocks, act) {
  const box = made("div", "", "blocks");
  for (const block of blocks) box.append(one(block, act));
  return box;
}

// What stands in the fields of a drawn form, by action id.
export function values(form) {
  const found = {};
  for (const field of form.querySelectorAll("[data-field]")) found[field.dataset.field] = field.value;
  return found;
}

function one(block, act) {
  switch (block.type) {
    case "header": return made("h4", block.text.text);
    case "divider": return made("hr");
    case "section": return section(block, act);
    case "context": return context(block);
    case "rich_text": return richText(block);
    case "actions": return actions(block, act);
    case "input": return input(block, act);
    default: return made("p", `[a block of type ${block.type}]`, "empty");
  }
}

function section(block, act) {
  const box = made("div", "", "section");
  if (block.text) box.append(made("p", block.text.text));
  for (const field of block.fields || []) box.append(made("p", field.text));
  if (block.accessory) box.append(element(block.accessory, block.block_id, act));
  return box;
}

function context(block) {
  const box = made("p", "", "context");
  for (const each of block.elements) box.append(made("span", each.text || each.alt_text || ""));
  return box;
}

function actions(block, act) {
  const box = made("div", "", "tools");
  for (const each of block.elements) box.append(element(each, block.block_id, act));
  return box;
}

function element(each, blockId, act) {
  if (each.type === "button") {
    if (each.url) return made("span", "", "empty");
    const ask = () => act({ action_id: each.action_id, block_id: blockId, value: each.value });
    const press = each.confirm ? () => { if (confirm(`${each.confirm.title.text}?\n\n${each.confirm.text.text}`)) ask(); } : ask;
    return button(each.text.text, press, each.style || "");
  }
  return made("span", `[an element of type ${each.type}]`, "empty");
}

function input(block, act) {
  const label = made("label", block.label.text + (block.optional ? " (optional)" : ""));
  const each = block.element;
  const field = each.type === "static_select" ? select(each) : typedText(each);
  field.dataset.field = each.action_id;
  if (block.dispatch_action) {
    field.onchange = () => act({ action_id: each.action_id, block_id: block.block_id, value: field.value });
  }
  label.append(field);
  if (block.hint) label.append(made("small", block.hint.text));
  const wrong = made("small", "", "wrong");
  wrong.dataset.wrong = each.action_id;
  label.append(wrong);
  return label;
}

function select(each) {
  const field = made("select");
  for (const option of each.options) field.append(new Option(option.text.text, option.value));
  if (each.initial_option) field.value = each.initial_option.value;
  else field.prepend(new Option("Choose …", "", true, true));
  return field;
}

function typedText(each) {
  const field = made(each.multiline ? "textarea" : "input");
  if (each.multiline) field.rows = 5;
  field.value = each.initial_value || "";
  if (each.max_length) field.maxLength = each.max_length;
  return field;
}

function richText(block) {
  const box = made("div", "", "rich");
  for (const part of block.elements) {
    switch (part.type) {
      case "rich_text_quote": box.append(inline(part.elements, "blockquote")); break;
      case "rich_text_preformatted": box.append(inline(part.elements, "pre")); break;
      case "rich_text_list": {
        const list = made(part.style === "ordered" ? "ol" : "ul");
        for (const item of part.elements) list.append(inline(item.elements, "li"));
        box.append(list);
        break;
      }
      default: box.append(inline(part.elements, "p"));
    }
  }
  return box;
}

function inline(elements, tag) {
  const box = made(tag);
  for (const each of elements) {
    switch (each.type) {
      case "text": box.append(made(each.style && each.style.bold ? "b" : "span", each.text)); break;
      case "user": box.append(made("span", `@${each.user_id}`, "mention")); break;
      case "broadcast": box.append(made("span", `@${each.range}`, "mention")); break;
      default: box.append(made("span", each.text || `[${each.type}]`));
    }
  }
  return box;
}
