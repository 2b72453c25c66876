/// The shapes of incidents, as the API tells them.

import type { Schemas } from "../../api/client";

export type Named = Schemas["Named"];
export type Word = Schemas["IncidentWord"];
export type Incident = Schemas["Incident"];
export type Member = Schemas["Member"];
export type WholeIncident = Schemas["WholeIncident"];
export type Chain = Schemas["Chain"];
export type IncidentChain = Schemas["IncidentChain"];
export type Process = Schemas["Process"];
export type Image = Schemas["Image"];
export type Activity = Schemas["Activity"];
export type WholeActivity = Schemas["WholeActivity"];
export type Hit = Schemas["Hit"];
export type Connection = Schemas["Connection"];
export type Offer = Schemas["Offer"];
export type Offers = Schemas["Offers"];
export type Detection = Schemas["Detection"];
export type WholeDetection = Schemas["WholeDetection"];
