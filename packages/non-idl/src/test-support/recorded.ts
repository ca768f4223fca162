// What dubbo-java 3.3.6 sends and answers for interop.peer.users.UserProvider (interop/peers/java), without gRPC's prefix.

/** echo(user) of `deep`, with a friend. */
export const echoRequest: Uint8Array = Buffer.from(
  "CghoZXNzaWFuNBLIB0MXaW50ZXJvcC5wZWVyLnVzZXJzLlVzZXKkBnNjb3JlcwVwaG90bwdmcmllbmRzBGhvbWUJYWRkcmVzc2Vz" +
    "BmxpbWl0cwVsdWNreQR0YWdzBHNlZW4Gam9pbmVkBGJvcm4Ecm9sZQZzZXJpYWwHYmFsYW5jZQRuaWNrBmFjdGl2ZQVzY29yZQZ2" +
    "aXNpdHMDYWdlAmlkYHMEW2ludJOSkSMAAf95YHOQk5KRIwAB/3hDGmludGVyb3AucGVlci51c2Vycy5BZGRyZXNzkgZudW1iZXIG" +
    "c3RyZWV0YZ0KRWxtIFN0cmVldE0XamF2YS51dGlsLkxpbmtlZEhhc2hNYXBDF2ludGVyb3AucGVlci51c2Vycy5Sb2xlkQRuYW1l" +
    "YgVBRE1JTmGRBk9mZmljZVpNkQNjcHWUWnERamF2YS51dGlsLkhhc2hTZXSXegFhBMOp5Lit7aC97biAQzA7Y29tLmFsaWJhYmEu" +
    "Y29tLmNhdWNoby5oZXNzaWFuLmlvLmphdmE4LkxvY2FsRGF0ZVRpbWVIYW5kbGWSBHRpbWUEZGF0ZWNDMDdjb20uYWxpYmFiYS5j" +
    "b20uY2F1Y2hvLmhlc3NpYW4uaW8uamF2YTguTG9jYWxUaW1lSGFuZGxllARuYW5vBnNlY29uZAZtaW51dGUEaG91cmRJB1TUwMg6" +
    "yDunQzA3Y29tLmFsaWJhYmEuY29tLmNhdWNoby5oZXNzaWFuLmlvLmphdmE4LkxvY2FsRGF0ZUhhbmRsZZMDZGF5BW1vbnRoBHll" +
    "YXJlrZLP6GWtks/oSgAAAOjUpRB7YgZFRElUT1JDFGphdmEubWF0aC5CaWdJbnRlZ2VylgNtYWcZZmlyc3ROb256ZXJvSW50TnVt" +
    "UGx1c1R3bxNsb3dlc3RTZXRCaXRQbHVzVHdvEGJpdExlbmd0aFBsdXNPbmUPYml0Q291bnRQbHVzT25lBnNpZ251bWZ0kJFJjukP" +
    "9knDc+DuSU4/CtKQkJCQj0MUamF2YS5tYXRoLkJpZ0RlY2ltYWyRBXZhbHVlZw0xMjM0NTY3ODkwLjEwTlROTAAgAAAAAAABuQZm" +
    "cmllbmRhnQpFbG0gU3RyZWV0TZFRmGGRBk9mZmljZVpNkQNjcHWUWnGSl3oBYQTDqeS4re2gve24gGNkSQdU1MDIOsg7p2Wtks/o" +
    "Za2Sz+hKAAAA6NSlEHtRoWZ0kJFJjukP9knDc+DuSU4/CtKQkJCQj2cNMTIzNDU2Nzg5MC4xMARuaWNrVF8AAAnETAAgAAAAAAAB" +
    "uQRkZWVwGhdpbnRlcm9wLnBlZXIudXNlcnMuVXNlcg==",
  "base64",
);

/** $invoke("find", ["long"], [5]) */
export const genericRequest: Uint8Array = Buffer.from(
  "CghoZXNzaWFuNBIFBGZpbmQSDnEHW3N0cmluZwRsb25nEgpxB1tvYmplY3TlGhBqYXZhLmxhbmcuU3RyaW5nGhNbTGphdmEubGFu" +
    "Zy5TdHJpbmc7GhNbTGphdmEubGFuZy5PYmplY3Q7",
  "base64",
);

/** watch("w"), whose observer is a parameter, but no argument. */
export const watchRequest: Uint8Array = Buffer.from(
  "CghoZXNzaWFuNBICAXcaEGphdmEubGFuZy5TdHJpbmcaLW9yZy5hcGFjaGUuZHViYm8uY29tbW9uLnN0cmVhbS5TdHJlYW1PYnNl" + "cnZlcg==",
  "base64",
);

/** The result of getUser("1"). */
export const userResponse: Uint8Array = Buffer.from(
  "CghoZXNzaWFuNBKhBkMXaW50ZXJvcC5wZWVyLnVzZXJzLlVzZXKkBnNjb3JlcwVwaG90bwdmcmllbmRzBGhvbWUJYWRkcmVzc2Vz" +
    "BmxpbWl0cwVsdWNreQR0YWdzBHNlZW4Gam9pbmVkBGJvcm4Ecm9sZQZzZXJpYWwHYmFsYW5jZQRuaWNrBmFjdGl2ZQVzY29yZQZ2" +
    "aXNpdHMDYWdlAmlkYHMEW2ludJOSkSMAAf94QxppbnRlcm9wLnBlZXIudXNlcnMuQWRkcmVzc5IGbnVtYmVyBnN0cmVldGGdCkVs" +
    "bSBTdHJlZXRNF2phdmEudXRpbC5MaW5rZWRIYXNoTWFwQxdpbnRlcm9wLnBlZXIudXNlcnMuUm9sZZEEbmFtZWIFQURNSU5hkQZP" +
    "ZmZpY2VaTZEDY3B1lFpxEWphdmEudXRpbC5IYXNoU2V0l3oBYQTDqeS4re2gve24gEMwO2NvbS5hbGliYWJhLmNvbS5jYXVjaG8u" +
    "aGVzc2lhbi5pby5qYXZhOC5Mb2NhbERhdGVUaW1lSGFuZGxlkgR0aW1lBGRhdGVjQzA3Y29tLmFsaWJhYmEuY29tLmNhdWNoby5o" +
    "ZXNzaWFuLmlvLmphdmE4LkxvY2FsVGltZUhhbmRsZZQEbmFubwZzZWNvbmQGbWludXRlBGhvdXJkSQdU1MDIOsg7p0MwN2NvbS5h" +
    "bGliYWJhLmNvbS5jYXVjaG8uaGVzc2lhbi5pby5qYXZhOC5Mb2NhbERhdGVIYW5kbGWTA2RheQVtb250aAR5ZWFyZa2Sz+hlrZLP" +
    "6EoAAADo1KUQe2IGRURJVE9SQxRqYXZhLm1hdGguQmlnSW50ZWdlcpYDbWFnGWZpcnN0Tm9uemVyb0ludE51bVBsdXNUd28TbG93" +
    "ZXN0U2V0Qml0UGx1c1R3bxBiaXRMZW5ndGhQbHVzT25lD2JpdENvdW50UGx1c09uZQZzaWdudW1mdJCRSY7pD/ZJw3Pg7klOPwrS" +
    "kJCQkI9DFGphdmEubWF0aC5CaWdEZWNpbWFskQV2YWx1ZWcNMTIzNDU2Nzg5MC4xME5UTkwAIAAAAAAAAbkBMRoXaW50ZXJvcC5w" +
    "ZWVyLnVzZXJzLlVzZXI=",
  "base64",
);

/** The null of getUser("null"). */
export const nullResponse: Uint8Array = Buffer.from("CghoZXNzaWFuNBIBThoXaW50ZXJvcC5wZWVyLnVzZXJzLlVzZXI=", "base64");

/** UserNotFoundException in place of a user, answered with `tri-exception-code: 3`. */
export const exceptionResponse: Uint8Array = Buffer.from(
  "CghoZXNzaWFuNBLhLkMwKGludGVyb3AucGVlci51c2Vycy5Vc2VyTm90Rm91bmRFeGNlcHRpb26VFHN1cHByZXNzZWRFeGNlcHRp" +
    "b25zCnN0YWNrVHJhY2UFY2F1c2UNZGV0YWlsTWVzc2FnZQZ1c2VySWRgcB9qYXZhLnV0aWwuQ29sbGVjdGlvbnMkRW1wdHlMaXN0" +
    "VhxbamF2YS5sYW5nLlN0YWNrVHJhY2VFbGVtZW50yDVDG2phdmEubGFuZy5TdGFja1RyYWNlRWxlbWVudJgGZm9ybWF0CmxpbmVO" +
    "dW1iZXIIZmlsZU5hbWUKbWV0aG9kTmFtZQ5kZWNsYXJpbmdDbGFzcw1tb2R1bGVWZXJzaW9uCm1vZHVsZU5hbWUPY2xhc3NMb2Fk" +
    "ZXJOYW1lYZG+ClVzZXJzLmphdmEHZ2V0VXNlchhpbnRlcm9wLnBlZXIudXNlcnMuVXNlcnNOTgNhcHBhkY8UVXNlcnNEdWJib1dy" +
    "YXAwLmphdmEMaW52b2tlTWV0aG9kMCJpbnRlcm9wLnBlZXIudXNlcnMuVXNlcnNEdWJib1dyYXAwTk4DYXBwYZHIWRpKYXZhc3Np" +
    "c3RQcm94eUZhY3RvcnkuamF2YQhkb0ludm9rZTA8b3JnLmFwYWNoZS5kdWJiby5ycGMucHJveHkuamF2YXNzaXN0LkphdmFzc2lz" +
    "dFByb3h5RmFjdG9yeSQxTk4DYXBwYZHIZBlBYnN0cmFjdFByb3h5SW52b2tlci5qYXZhBmludm9rZTAvb3JnLmFwYWNoZS5kdWJi" +
    "by5ycGMucHJveHkuQWJzdHJhY3RQcm94eUludm9rZXJOTgNhcHBhkcg3MCREZWxlZ2F0ZVByb3ZpZGVyTWV0YURhdGFJbnZva2Vy" +
    "LmphdmEGaW52b2tlMD9vcmcuYXBhY2hlLmR1YmJvLmNvbmZpZy5pbnZva2VyLkRlbGVnYXRlUHJvdmlkZXJNZXRhRGF0YUludm9r" +
    "ZXJOTgNhcHBhkbYeQ2xhc3NMb2FkZXJDYWxsYmFja0ZpbHRlci5qYXZhBmludm9rZTA1b3JnLmFwYWNoZS5kdWJiby5ycGMuZmls" +
    "dGVyLkNsYXNzTG9hZGVyQ2FsbGJhY2tGaWx0ZXJOTgNhcHBhkcldF0ZpbHRlckNoYWluQnVpbGRlci5qYXZhBmludm9rZTBMb3Jn" +
    "LmFwYWNoZS5kdWJiby5ycGMuY2x1c3Rlci5maWx0ZXIuRmlsdGVyQ2hhaW5CdWlsZGVyJENvcHlPZkZpbHRlckNoYWluTm9kZU5O" +
    "A2FwcGGRthZSZXN0RmlsdGVyQWRhcHRlci5qYXZhBmludm9rZTA/b3JnLmFwYWNoZS5kdWJiby5ycGMucHJvdG9jb2wudHJpLnJl" +
    "c3QuZmlsdGVyLlJlc3RGaWx0ZXJBZGFwdGVyTk4DYXBwYZHJXRdGaWx0ZXJDaGFpbkJ1aWxkZXIuamF2YQZpbnZva2UwTG9yZy5h" +
    "cGFjaGUuZHViYm8ucnBjLmNsdXN0ZXIuZmlsdGVyLkZpbHRlckNoYWluQnVpbGRlciRDb3B5T2ZGaWx0ZXJDaGFpbk5vZGVOTgNh" +
    "cHBhkbUeSHR0cENvbnRleHRDYWxsYmFja0ZpbHRlci5qYXZhBmludm9rZTA/b3JnLmFwYWNoZS5kdWJiby5ycGMucHJvdG9jb2wu" +
    "dHJpLmgxMi5IdHRwQ29udGV4dENhbGxiYWNrRmlsdGVyTk4DYXBwYZHJXRdGaWx0ZXJDaGFpbkJ1aWxkZXIuamF2YQZpbnZva2Uw" +
    "TG9yZy5hcGFjaGUuZHViYm8ucnBjLmNsdXN0ZXIuZmlsdGVyLkZpbHRlckNoYWluQnVpbGRlciRDb3B5T2ZGaWx0ZXJDaGFpbk5v" +
    "ZGVOTgNhcHBhkchOEFRyYWNlRmlsdGVyLmphdmEGaW52b2tlMDZvcmcuYXBhY2hlLmR1YmJvLnJwYy5wcm90b2NvbC5kdWJiby5m" +
    "aWx0ZXIuVHJhY2VGaWx0ZXJOTgNhcHBhkcldF0ZpbHRlckNoYWluQnVpbGRlci5qYXZhBmludm9rZTBMb3JnLmFwYWNoZS5kdWJi" +
    "by5ycGMuY2x1c3Rlci5maWx0ZXIuRmlsdGVyQ2hhaW5CdWlsZGVyJENvcHlPZkZpbHRlckNoYWluTm9kZU5OA2FwcGGRvRJUaW1l" +
    "b3V0RmlsdGVyLmphdmEGaW52b2tlMClvcmcuYXBhY2hlLmR1YmJvLnJwYy5maWx0ZXIuVGltZW91dEZpbHRlck5OA2FwcGGRyV0X" +
    "RmlsdGVyQ2hhaW5CdWlsZGVyLmphdmEGaW52b2tlMExvcmcuYXBhY2hlLmR1YmJvLnJwYy5jbHVzdGVyLmZpbHRlci5GaWx0ZXJD" +
    "aGFpbkJ1aWxkZXIkQ29weU9mRmlsdGVyQ2hhaW5Ob2RlTk4DYXBwYZHIbRJNb25pdG9yRmlsdGVyLmphdmEGaW52b2tlMC5vcmcu" +
    "YXBhY2hlLmR1YmJvLm1vbml0b3Iuc3VwcG9ydC5Nb25pdG9yRmlsdGVyTk4DYXBwYZHJXRdGaWx0ZXJDaGFpbkJ1aWxkZXIuamF2" +
    "YQZpbnZva2UwTG9yZy5hcGFjaGUuZHViYm8ucnBjLmNsdXN0ZXIuZmlsdGVyLkZpbHRlckNoYWluQnVpbGRlciRDb3B5T2ZGaWx0" +
    "ZXJDaGFpbk5vZGVOTgNhcHBhkcg3FEV4Y2VwdGlvbkZpbHRlci5qYXZhBmludm9rZTArb3JnLmFwYWNoZS5kdWJiby5ycGMuZmls" +
    "dGVyLkV4Y2VwdGlvbkZpbHRlck5OA2FwcGGRyV0XRmlsdGVyQ2hhaW5CdWlsZGVyLmphdmEGaW52b2tlMExvcmcuYXBhY2hlLmR1" +
    "YmJvLnJwYy5jbHVzdGVyLmZpbHRlci5GaWx0ZXJDaGFpbkJ1aWxkZXIkQ29weU9mRmlsdGVyQ2hhaW5Ob2RlTk4DYXBwYZHIeBRB" +
    "Y2Nlc3NMb2dGaWx0ZXIuamF2YQZpbnZva2UwK29yZy5hcGFjaGUuZHViYm8ucnBjLmZpbHRlci5BY2Nlc3NMb2dGaWx0ZXJOTgNh" +
    "cHBhkcldF0ZpbHRlckNoYWluQnVpbGRlci5qYXZhBmludm9rZTBMb3JnLmFwYWNoZS5kdWJiby5ycGMuY2x1c3Rlci5maWx0ZXIu" +
    "RmlsdGVyQ2hhaW5CdWlsZGVyJENvcHlPZkZpbHRlckNoYWluTm9kZU5OA2FwcGGRyN8SR2VuZXJpY0ZpbHRlci5qYXZhBmludm9r" +
    "ZTApb3JnLmFwYWNoZS5kdWJiby5ycGMuZmlsdGVyLkdlbmVyaWNGaWx0ZXJOTgNhcHBhkcldF0ZpbHRlckNoYWluQnVpbGRlci5q" +
    "YXZhBmludm9rZTBMb3JnLmFwYWNoZS5kdWJiby5ycGMuY2x1c3Rlci5maWx0ZXIuRmlsdGVyQ2hhaW5CdWlsZGVyJENvcHlPZkZp" +
    "bHRlckNoYWluTm9kZU5OA2FwcGGRyDIWSHR0cENvbnRleHRGaWx0ZXIuamF2YQZpbnZva2UwN29yZy5hcGFjaGUuZHViYm8ucnBj" +
    "LnByb3RvY29sLnRyaS5oMTIuSHR0cENvbnRleHRGaWx0ZXJOTgNhcHBhkcldF0ZpbHRlckNoYWluQnVpbGRlci5qYXZhBmludm9r" +
    "ZTBMb3JnLmFwYWNoZS5kdWJiby5ycGMuY2x1c3Rlci5maWx0ZXIuRmlsdGVyQ2hhaW5CdWlsZGVyJENvcHlPZkZpbHRlckNoYWlu" +
    "Tm9kZU5OA2FwcGGRyDYWQ2xhc3NMb2FkZXJGaWx0ZXIuamF2YQZpbnZva2UwLW9yZy5hcGFjaGUuZHViYm8ucnBjLmZpbHRlci5D" +
    "bGFzc0xvYWRlckZpbHRlck5OA2FwcGGRyV0XRmlsdGVyQ2hhaW5CdWlsZGVyLmphdmEGaW52b2tlMExvcmcuYXBhY2hlLmR1YmJv" +
    "LnJwYy5jbHVzdGVyLmZpbHRlci5GaWx0ZXJDaGFpbkJ1aWxkZXIkQ29weU9mRmlsdGVyQ2hhaW5Ob2RlTk4DYXBwYZG5D0VjaG9G" +
    "aWx0ZXIuamF2YQZpbnZva2UwJm9yZy5hcGFjaGUuZHViYm8ucnBjLmZpbHRlci5FY2hvRmlsdGVyTk4DYXBwYZHJXRdGaWx0ZXJD" +
    "aGFpbkJ1aWxkZXIuamF2YQZpbnZva2UwTG9yZy5hcGFjaGUuZHViYm8ucnBjLmNsdXN0ZXIuZmlsdGVyLkZpbHRlckNoYWluQnVp" +
    "bGRlciRDb3B5T2ZGaWx0ZXJDaGFpbk5vZGVOTgNhcHBhkchWEk1ldHJpY3NGaWx0ZXIuamF2YQZpbnZva2UwLW9yZy5hcGFjaGUu" +
    "ZHViYm8ubWV0cmljcy5maWx0ZXIuTWV0cmljc0ZpbHRlck5OA2FwcGGRtRpNZXRyaWNzUHJvdmlkZXJGaWx0ZXIuamF2YQZpbnZv" +
    "a2UwNW9yZy5hcGFjaGUuZHViYm8ubWV0cmljcy5maWx0ZXIuTWV0cmljc1Byb3ZpZGVyRmlsdGVyTk4DYXBwYZHJXRdGaWx0ZXJD" +
    "aGFpbkJ1aWxkZXIuamF2YQZpbnZva2UwTG9yZy5hcGFjaGUuZHViYm8ucnBjLmNsdXN0ZXIuZmlsdGVyLkZpbHRlckNoYWluQnVp" +
    "bGRlciRDb3B5T2ZGaWx0ZXJDaGFpbk5vZGVOTgNhcHBhkchCGVByb2ZpbGVyU2VydmVyRmlsdGVyLmphdmEGaW52b2tlMDBvcmcu" +
    "YXBhY2hlLmR1YmJvLnJwYy5maWx0ZXIuUHJvZmlsZXJTZXJ2ZXJGaWx0ZXJOTgNhcHBhkcldF0ZpbHRlckNoYWluQnVpbGRlci5q" +
    "YXZhBmludm9rZTBMb3JnLmFwYWNoZS5kdWJiby5ycGMuY2x1c3Rlci5maWx0ZXIuRmlsdGVyQ2hhaW5CdWlsZGVyJENvcHlPZkZp" +
    "bHRlckNoYWluTm9kZU5OA2FwcGGRyL8SQ29udGV4dEZpbHRlci5qYXZhBmludm9rZTApb3JnLmFwYWNoZS5kdWJiby5ycGMuZmls" +
    "dGVyLkNvbnRleHRGaWx0ZXJOTgNhcHBhkcldF0ZpbHRlckNoYWluQnVpbGRlci5qYXZhBmludm9rZTBMb3JnLmFwYWNoZS5kdWJi" +
    "by5ycGMuY2x1c3Rlci5maWx0ZXIuRmlsdGVyQ2hhaW5CdWlsZGVyJENvcHlPZkZpbHRlckNoYWluTm9kZU5OA2FwcGGRyMUXRmls" +
    "dGVyQ2hhaW5CdWlsZGVyLmphdmEGaW52b2tlMFJvcmcuYXBhY2hlLmR1YmJvLnJwYy5jbHVzdGVyLmZpbHRlci5GaWx0ZXJDaGFp" +
    "bkJ1aWxkZXIkQ2FsbGJhY2tSZWdpc3RyYXRpb25JbnZva2VyTk4DYXBwYZHITB9BYnN0cmFjdFNlcnZlckNhbGxMaXN0ZW5lci5q" +
    "YXZhBmludm9rZTBAb3JnLmFwYWNoZS5kdWJiby5ycGMucHJvdG9jb2wudHJpLmgxMi5BYnN0cmFjdFNlcnZlckNhbGxMaXN0ZW5l" +
    "ck5OA2FwcGGRyDIcVW5hcnlTZXJ2ZXJDYWxsTGlzdGVuZXIuamF2YQpvbkNvbXBsZXRlMD1vcmcuYXBhY2hlLmR1YmJvLnJwYy5w" +
    "cm90b2NvbC50cmkuaDEyLlVuYXJ5U2VydmVyQ2FsbExpc3RlbmVyTk4DYXBwYZHIzjAoR2VuZXJpY0h0dHAyU2VydmVyVHJhbnNw" +
    "b3J0TGlzdGVuZXIuamF2YQdvbkNsb3NlMGxvcmcuYXBhY2hlLmR1YmJvLnJwYy5wcm90b2NvbC50cmkuaDEyLmh0dHAyLkdlbmVy" +
    "aWNIdHRwMlNlcnZlclRyYW5zcG9ydExpc3RlbmVyJEh0dHAyU3RyZWFtaW5nRGVjb2RlTGlzdGVuZXJOTgNhcHBhkb8cRGVmYXVs" +
    "dExpc3RlbmluZ0RlY29kZXIuamF2YQVjbG9zZTBAb3JnLmFwYWNoZS5kdWJiby5yZW1vdGluZy5odHRwMTIubWVzc2FnZS5EZWZh" +
    "dWx0TGlzdGVuaW5nRGVjb2Rlck5OA2FwcGGRyDwVU3RyZWFtaW5nRGVjb2Rlci5qYXZhB29uQ2xvc2UwUW9yZy5hcGFjaGUuZHVi" +
    "Ym8ucmVtb3RpbmcuaHR0cDEyLm1lc3NhZ2UuU3RyZWFtaW5nRGVjb2RlciREZWZhdWx0RnJhZ21lbnRMaXN0ZW5lck5OA2FwcGGR" +
    "yIcwIExlbmd0aEZpZWxkU3RyZWFtaW5nRGVjb2Rlci5qYXZhB2RlbGl2ZXIwRG9yZy5hcGFjaGUuZHViYm8ucmVtb3RpbmcuaHR0" +
    "cDEyLm1lc3NhZ2UuTGVuZ3RoRmllbGRTdHJlYW1pbmdEZWNvZGVyTk4DYXBwYZHIUTAgTGVuZ3RoRmllbGRTdHJlYW1pbmdEZWNv" +
    "ZGVyLmphdmEFY2xvc2UwRG9yZy5hcGFjaGUuZHViYm8ucmVtb3RpbmcuaHR0cDEyLm1lc3NhZ2UuTGVuZ3RoRmllbGRTdHJlYW1p" +
    "bmdEZWNvZGVyTk4DYXBwYZHIlDAoR2VuZXJpY0h0dHAyU2VydmVyVHJhbnNwb3J0TGlzdGVuZXIuamF2YRBvbkRhdGFDb21wbGV0" +
    "aW9uME9vcmcuYXBhY2hlLmR1YmJvLnJwYy5wcm90b2NvbC50cmkuaDEyLmh0dHAyLkdlbmVyaWNIdHRwMlNlcnZlclRyYW5zcG9y" +
    "dExpc3RlbmVyTk4DYXBwYZHIMjAoR2VuZXJpY0h0dHAyU2VydmVyVHJhbnNwb3J0TGlzdGVuZXIuamF2YRBvbkRhdGFDb21wbGV0" +
    "aW9uME9vcmcuYXBhY2hlLmR1YmJvLnJwYy5wcm90b2NvbC50cmkuaDEyLmh0dHAyLkdlbmVyaWNIdHRwMlNlcnZlclRyYW5zcG9y" +
    "dExpc3RlbmVyTk4DYXBwYZHIuDAkQWJzdHJhY3RTZXJ2ZXJUcmFuc3BvcnRMaXN0ZW5lci5qYXZhCGRvT25EYXRhMEVvcmcuYXBh" +
    "Y2hlLmR1YmJvLnJwYy5wcm90b2NvbC50cmkuaDEyLkFic3RyYWN0U2VydmVyVHJhbnNwb3J0TGlzdGVuZXJOTgNhcHBhkcioMCRB" +
    "YnN0cmFjdFNlcnZlclRyYW5zcG9ydExpc3RlbmVyLmphdmEPbGFtYmRhJG9uRGF0YSQxMEVvcmcuYXBhY2hlLmR1YmJvLnJwYy5w" +
    "cm90b2NvbC50cmkuaDEyLkFic3RyYWN0U2VydmVyVHJhbnNwb3J0TGlzdGVuZXJOTgNhcHBhkchvGFNlcmlhbGl6aW5nRXhlY3V0" +
    "b3IuamF2YQNydW4wPW9yZy5hcGFjaGUuZHViYm8uY29tbW9uLnRocmVhZHBvb2wuc2VyaWFsLlNlcmlhbGl6aW5nRXhlY3V0b3JO" +
    "TgNhcHBhksxwF1RocmVhZFBvb2xFeGVjdXRvci5qYXZhCXJ1bldvcmtlcjAnamF2YS51dGlsLmNvbmN1cnJlbnQuVGhyZWFkUG9v" +
    "bEV4ZWN1dG9yBzE3LjAuMTUJamF2YS5iYXNlTmGSynsXVGhyZWFkUG9vbEV4ZWN1dG9yLmphdmEDcnVuMC5qYXZhLnV0aWwuY29u" +
    "Y3VycmVudC5UaHJlYWRQb29sRXhlY3V0b3IkV29ya2VyBzE3LjAuMTUJamF2YS5iYXNlTmGRtxVJbnRlcm5hbFJ1bm5hYmxlLmph" +
    "dmEDcnVuMDRvcmcuYXBhY2hlLmR1YmJvLmNvbW1vbi50aHJlYWRsb2NhbC5JbnRlcm5hbFJ1bm5hYmxlTk4DYXBwYZLLSAtUaHJl" +
    "YWQuamF2YQNydW4QamF2YS5sYW5nLlRocmVhZAcxNy4wLjE1CWphdmEuYmFzZU5RkA9ubyB1c2VyIG1pc3NpbmcHbWlzc2luZxoX" +
    "aW50ZXJvcC5wZWVyLnVzZXJzLlVzZXI=",
  "base64",
);
