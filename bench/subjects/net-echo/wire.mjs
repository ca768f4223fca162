/** What a unary call of Dubhe's has on the wire besides the data, in either direction, once its headers are in the tables. */
export const UNARY_OVERHEAD = { request: 41, response: 38 };
