/// The action that scripts are run by.

export const RUN = "endpoint.run_script";
