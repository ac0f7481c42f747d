-- A synthetic dollar index by the published weights of six currencies; null where one of them is.
create or replace macro dxy_synthetic(eurusd, usdjpy, gbpusd, usdcad, usdsek, usdchf) as
    50.14348112
    * pow(eurusd, -0.576)
    * pow(usdjpy, 0.136)
    * pow(gbpusd, -0.119)
    * pow(usdcad, 0.091)
    * pow(usdsek, 0.042)
    * pow(usdchf, 0.036)
