export default function EnrolDialog(_: { close: () => void }) {
  return null;
}
