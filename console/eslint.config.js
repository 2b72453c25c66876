import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["dist", "node_modules", "src/api/schema.d.ts", "test-results", "playwright-report"] },
  js.configs.recommended,
  ...ts.configs.strict,
  {
    plugins: { "react-hooks": hooks },
    rules: { "react-hooks/rules-of-hooks": "error", "react-hooks/exhaustive-deps": "error" },
  },
  {
    rules: {
      "no-restricted-syntax": [
        "error",
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Names are hostile: text only." },
        { selector: "MemberExpression[property.name='innerHTML']", message: "Names are hostile: text only." },
      ],
    },
  },
  {
    files: ["scripts/**", "*.cjs", "*.config.*"],
    languageOptions: { globals: { console: "readonly", process: "readonly", module: "readonly", URL: "readonly" } },
  },
);
