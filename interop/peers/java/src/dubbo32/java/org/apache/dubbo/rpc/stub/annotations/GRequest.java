package org.apache.dubbo.rpc.stub.annotations;

/** The stubs import it and do not use it; dubbo 3.2 has none. */
public @interface GRequest {}
