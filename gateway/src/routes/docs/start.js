"use strict";

SwaggerUIBundle({
  dom_id: "#page",
  url: "openapi.json",
  deepLinking: true,
  tryItOutEnabled: true,
  // The default asks a validator on the internet.
  validatorUrl: null,
});
