/// Which keys do what.

import { Anchor, Kbd, Modal, Table, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { useLetterKeys } from "./keys";
import { screens } from "./screens";

const KEYS: [string[], string][] = [
  [["Ctrl", "K"], "find or do something"],
  [["Ctrl", "Enter"], "send what was filled in"],
  [["j"], "in a list: the next row; k the one before; arrows too"],
  [["Enter"], "open the row"],
  [["x"], "select the row"],
];

/** Those that do something wherever one is. */
const LETTERS: [string[], string][] = [
  [["a"], "act"],
  [["/"], "search in the list"],
  [["?"], "these keys"],
];

export default function KeyHelp({ close }: { close: () => void }) {
  const going: [string[], string][] = screens.flatMap((screen) =>
    screen.nav?.key ? [[["g", screen.nav.key], `go to ${screen.title}`]] : [],
  );
  const [hasLetters] = useLetterKeys();
  return (
    <Modal opened onClose={close} title="Keys">
      <Table>
        <Table.Tbody>
          {[...KEYS, ...(hasLetters ? [...LETTERS, ...going] : [])].map(([keys, what]) => (
            <Table.Tr key={what}>
              <Table.Td w={110}>
                {keys.map((key) => (
                  <Kbd key={key} mr={4}>
                    {key}
                  </Kbd>
                ))}
              </Table.Td>
              <Table.Td>{what}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Text size="sm" mt="sm">
        {hasLetters
          ? "Keys of one letter can be turned off "
          : "Keys of one letter are turned off. They are turned on "}
        <Anchor component={Link} to="/profile" onClick={close}>
          in your account
        </Anchor>
        .
      </Text>
    </Modal>
  );
}
