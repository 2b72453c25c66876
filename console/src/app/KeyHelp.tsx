/// Which keys do what.

import { Kbd, Modal, Table } from "@mantine/core";

import { screens } from "./screens";

const KEYS: [string[], string][] = [
  [["Ctrl", "K"], "find or do something"],
  [["a"], "act"],
  [["Ctrl", "Enter"], "send what was filled in"],
  [["/"], "search in the list"],
  [["j"], "the next row; k the one before; arrows too"],
  [["Enter"], "open the row"],
  [["x"], "select the row"],
  [["?"], "these keys"],
];

export default function KeyHelp({ close }: { close: () => void }) {
  const going: [string[], string][] = screens.flatMap((screen) =>
    screen.nav?.key ? [[["g", screen.nav.key], `go to ${screen.title}`]] : [],
  );
  return (
    <Modal opened onClose={close} title="Keys">
      <Table>
        <Table.Tbody>
          {[...KEYS, ...going].map(([keys, what]) => (
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
    </Modal>
  );
}
